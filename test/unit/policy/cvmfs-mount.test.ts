import {expect} from 'chai';
import {TareError, TareErrors} from '../../../src/errors.js';
import {configFor, configText, parametersFor, type CvmfsMountRule} from '../../../src/policy/cvmfs-mount.js';
import type {CvmfsMountDocument} from '../../../src/schema/generated/policy-1.js';
import {policy} from '../plan/build.js';

const NEEDED = {servers: ['http://one/cvmfs/@fqrn@', 'http://two/cvmfs/@fqrn@'], proxies: 'http://squid:3128|http://squid2:3128;DIRECT'};

const read = (mount: CvmfsMountDocument): CvmfsMountRule => {
  const rule = policy({cvmfs: {mount}}).cvmfs.value.mount;
  if (rule === null) throw new Error('no rule');
  return rule;
};
const faults = (mount: CvmfsMountDocument): string => {
  try {
    read(mount);
  } catch (error) {
    if (error instanceof TareError || error instanceof TareErrors) return error.message;
    throw error;
  }
  return '';
};

describe('how Tare mounts a repository', () => {
  it('nothing said: it mounts none', () => {
    expect(policy({cvmfs: {}}).cvmfs.value.mount).to.equal(null);
    expect(policy().cvmfs.value.mount).to.equal(null);
  });

  it('defaults: the client’s usual place, a cache of each job’s own, a minute', () => {
    const {client, sharedCache, quotaBytes, deadlineUs} = read(NEEDED);
    expect({client, sharedCache, quotaBytes, deadlineUs}).to.deep.equal({
      ...{client: '/usr/bin/cvmfs2', sharedCache: null, quotaBytes: 4 * 2 ** 30, deadlineUs: 60e6},
    });
  });

  it('what the client is told: servers, proxies, keys, more; and Tare’s own last', () => {
    const rule = read({...NEEDED, keys: '/etc/keys', parameters: {CVMFS_TIMEOUT: '5'}, cache: {quota: '1 GiB'}});
    expect(configText(parametersFor(rule, 1000, 2), "/s/it's")).to.equal(
      [
        "CVMFS_SERVER_URL='http://one/cvmfs/@fqrn@;http://two/cvmfs/@fqrn@'",
        "CVMFS_HTTP_PROXY='http://squid:3128|http://squid2:3128;DIRECT'",
        "CVMFS_KEYS_DIR='/etc/keys'",
        "CVMFS_TIMEOUT='5'",
        "CVMFS_SHARED_CACHE='no'",
        "CVMFS_CACHE_BASE='/s/it'\\''s/cache'",
        "CVMFS_RELOAD_SOCKETS='/s/it'\\''s/cache'",
        "CVMFS_QUOTA_LIMIT='512'",
        '',
      ].join('\n'),
    );
  });

  it('a shared cache is the account’s, and no client keeps to a quota there', () => {
    const rule = read({...NEEDED, cache: {shared: '/var/cache/tare', quota: '100 GiB'}});
    const values = Object.fromEntries(parametersFor(rule, 1000, 3).map(({name, value}) => [name, value]));
    expect(values).to.include({CVMFS_ALIEN_CACHE: '/var/cache/tare/1000', CVMFS_QUOTA_LIMIT: '-1', CVMFS_CACHE_BASE: '{folder}/cache'});
    expect(rule.quotaBytes).to.equal(100 * 2 ** 30);
    expect(read({...NEEDED, cache: {shared: '/c'}}).quotaBytes).to.equal(null);
  });

  it('config files, by repository and domain, are enough', () => {
    const rule = read({config: ['/etc/cvmfs/default.conf', '/etc/cvmfs/domain.d/%d.conf', '/etc/cvmfs/config.d/%r.conf']});
    expect(configFor(rule, 'atlas.cern.ch')).to.deep.equal([
      ...['/etc/cvmfs/default.conf', '/etc/cvmfs/domain.d/cern.ch.conf', '/etc/cvmfs/config.d/atlas.cern.ch.conf'],
    ]);
  });

  it('the client’s own directory is enough too', () => {
    const rule = read({configDirectory: '/etc/cvmfs', configRepository: 'config.example.org'});
    expect(rule).to.include({configDirectory: '/etc/cvmfs', configRepository: 'config.example.org'});
  });

  it('variables for links in repositories are the client’s too; where the rule is written is known', () => {
    const rule = read({...NEEDED, parameters: {OSG_APP: '/cvmfs/app', atlas_site: 'X'}});
    expect(configText(parametersFor(rule, 1, 1), '/s')).to.include("OSG_APP='/cvmfs/app'\natlas_site='X'\n");
    expect(rule.at)
      .to.match(/\/cvmfs\/mount$/)
      .and.not.match(/^builtin/);
    expect(policy({cvmfs: {mount: NEEDED}}).cvmfs.provenance.at)
      .to.match(/\/cvmfs$/)
      .and.not.match(/^builtin/);
  });

  const wrong: [string, CvmfsMountDocument, RegExp][] = [
    ['no servers and no proxies', {}, /neither servers nor config(.|\n)*neither proxies nor config/],
    ['no proxies', {servers: NEEDED.servers}, /neither proxies nor config/],
    ['what a shell heeds', {...NEEDED, parameters: {LD_PRELOAD: '/x'}}, /parameters\/LD_PRELOAD: .*changes how the client(.|\n)*OSG_APP/],
    [
      'the client’s files twice',
      {config: ['/a'], configDirectory: '/b'},
      /mount\/config: the client’s files are named twice; found: .*\/b/,
    ],
    [
      'a configuration repository without its use',
      {...NEEDED, configRepository: 'config.example.org'},
      /configRepository: a configuration repository is used with configDirectory alone/,
    ],
    ['a cache that is set twice', {...NEEDED, parameters: {CVMFS_CACHE_BASE: '/x'}}, /parameters\/CVMFS_CACHE_BASE: .*Tare sets this/],
    [
      'a parameter that is given twice',
      {...NEEDED, parameters: {CVMFS_HTTP_PROXY: 'DIRECT'}},
      /given twice; found: CVMFS_HTTP_PROXY and proxies/,
    ],
    ['a quota that is too small', {...NEEDED, cache: {quota: '1 MiB'}}, /cache\/quota: the cache is too small.*allowed: 64 MiB or more/],
    ['a quota that is none', {...NEEDED, cache: {quota: 'much'}}, /cache\/quota: /],
    ['a deadline that is none', {...NEEDED, deadline: 'soon'}, /mount\/deadline: /],
  ];
  for (const [title, mount, message] of wrong)
    it(`${title}: said`, () => {
      expect(faults(mount)).to.match(message);
    });
});
