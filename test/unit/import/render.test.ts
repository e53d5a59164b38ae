/** What is printed of an import, and which format a text is of. */
import {readdirSync} from 'node:fs';
import {expect} from 'chai';
import {Draft} from '../../../src/import/draft.js';
import type {Format} from '../../../src/import/format.js';
import {FORMATS} from '../../../src/import/formats.js';
import type {Imported} from '../../../src/import/import.js';
import {importedData, renderJob, renderPolicy} from '../../../src/import/render.js';
import {FIXTURES, checkPrinted, fixtures, importText, messageOf} from './reading.js';

/** A format that gives a draft, while a test runs. */
async function importDraft(fill: (draft: Draft) => void): Promise<Imported> {
  const format: Format = {
    name: 'test',
    title: '',
    recognises: () => false,
    read: () => {
      const draft = new Draft();
      fill(draft);
      return draft;
    },
  };
  const formats = FORMATS as Format[];
  formats.push(format);
  try {
    return await importText('x', 'test', 'dir/file');
  } finally {
    formats.pop();
  }
}

const place = (line: number, as: string): {at: string; as: string} => ({at: `F:${line}:1`, as});

describe('an import', () => {
  it('of helloworld.xml is printed so', async () => {
    const {text} = fixtures('libvirt').find(({name}) => name === 'helloworld.xml')!;
    expect(await renderJob(await importText(text, null, 'helloworld.xml'))).to.equal(`# from helloworld.xml (libvirt)
schema: tare/job/v1
name: helloworld # helloworld.xml:2:3 <name>
command: [/bin/sh] # helloworld.xml:6:5 <init>
firstProcess: true # helloworld.xml:6:5 <init>
limits:
  memory: 102400KiB # helloworld.xml:3:3 <memory>

# Not taken:
#   helloworld.xml:9:5 <console type='pty'>: a payload has the caller’s standard input, output and error, or a terminal of the box’s own
`);
  });

  it('has proposals in comments of the job, and as a fragment of a policy', async () => {
    const both = importDraft((draft) => {
      draft.field('command', ['/bin/sh', '-c', 'echo "a: b" # c'], place(1, '<init>'));
      draft.field('applications', [{name: 'a', command: ['/bin/true']}], place(2, 'services'));
    });
    // what the schema cannot say is found too
    expect(await messageOf(both)).to.match(/^F:[12]:1 /);
    const right = await importDraft((draft) => {
      draft.field('applications', [{name: 'a', command: ['/bin/true']}], place(2, 'services'));
      draft.variable('A', null, place(3, 'env'));
      draft.variable('B', '1.10', place(3, 'env'));
      draft.propose(['writable'], '/srv/a', place(4, 'bind'), 'it writes there');
      draft.propose(['writable'], ['/srv/b', '/srv/a'], place(5, 'bind'), 'it writes there');
      draft.propose(['identity', 'user'], 'alice', place(6, 'user'), 'it runs as her');
      draft.propose(['identity', 'user'], 'bob', place(7, 'user'), 'it runs as him');
      draft.leave(place(8, 'odd'), 'unknown to this reader');
    });
    await checkPrinted(right);
    expect(await renderJob(right)).to.equal(`# from dir/file (test)
schema: tare/job/v1
# F:2:1 services
applications:
  - name: a
    command:
      - /bin/true
environment:
  A: null # F:3:1 env
  B: "1.10" # F:3:1 env

# For the policy, which is the site’s (tare import --policy prints a fragment):
#   writable: /srv/a: F:4:1 bind: it writes there
#   writable: /srv/b: F:5:1 bind: it writes there
#   identity.user: bob: F:7:1 user: it runs as him

# Not taken:
#   F:8:1 odd: unknown to this reader
#   F:5:1 bind: F:4:1 asks for the same
#   F:6:1 user: F:7:1 asks for another identity.user
`);
    expect(await renderPolicy(right)).to.equal(`# from dir/file (test)
# Each value is what the description asks for: keep what the site allows to all its jobs, or put it into a rule.
# A list here replaces the one of files before it: add what stands there.
schema: tare/policy/v1
writable:
  - /srv/a # F:4:1 bind: it writes there
  - /srv/b # F:5:1 bind: it writes there
identity:
  user: bob # F:7:1 user: it runs as him
`);
    expect(importedData(right)).to.deep.include({
      file: 'dir/file',
      format: 'test',
      taken: [
        {pointer: '/applications', at: 'F:2:1', as: 'services'},
        {pointer: '/environment/A', at: 'F:3:1', as: 'env'},
        {pointer: '/environment/B', at: 'F:3:1', as: 'env'},
      ],
    });
  });

  it('without a program or a proposal says so', async () => {
    const imported = await importDraft((draft) => draft.field('name', 'n', place(1, 'n')));
    expect(await renderJob(imported)).to.contain('\n# It names no program to execute: add command');
    expect(await renderPolicy(imported)).to.equal(
      '# from dir/file (test)\n# It asks for nothing that the policy decides.\nschema: tare/policy/v1\n',
    );
  });

  it('stays within its lines, whatever a description holds', async () => {
    const wild = 'a\r\nname: b\u0085\u2028\u2029\u001b[2J\u202e\u{e0001}#' + 'x'.repeat(1000);
    const imported = await importDraft((draft) => {
      draft.field('name', wild.slice(0, 30), {at: wild, as: wild});
      draft.field('command', [wild, '- a', '? b', '&c', '*d', '!e', '', ' ', 'null', '~', '0x1', '%f', '@g', '`h'], {at: wild, as: wild});
      draft.variable('V', wild, {at: wild, as: wild});
      draft.propose(['writable'], '/w\u202ex', {at: wild, as: wild}, wild);
      draft.leave({at: wild, as: wild}, wild);
    });
    await checkPrinted(imported);
    for (const line of (await renderJob(imported)).split('\n'))
      expect(line).to.match(/^(?:#|schema|name|command|environment|limits| {2}V|$)/);
  });

  it('of a value that does not fit is an error at its place', async () => {
    const memory = (value: string): Promise<string> =>
      messageOf(importDraft((draft) => draft.limit('memory', value, place(7, '--memory'))));
    expect(await memory('lots')).to.match(/^F:7:1 --memory: not a size; found: "lots"/);
    expect(await memory('0')).to.match(/^F:7:1 --memory: nothing can run with that/);
    expect(await messageOf(importDraft((draft) => draft.propose(['devices'], ['/dev/a', '/etc/b'], place(9, 'dev'), '')))).to.match(
      /^F:9:1 dev: not as it must be written; found: "\/etc\/b"/,
    );
    expect(await messageOf(importDraft((draft) => draft.propose(['identity', 'user'], 'root', place(3, 'user'), '')))).to.match(
      /^F:3:1 user: payloads would run as root/,
    );
    expect(await messageOf(importDraft((draft) => draft.field('name', '', place(1, 'n'))))).to.match(/^F:1:1 n: empty text/);
  });

  it('proposes no kind of address that needs a pool, without one', async () => {
    const imported = await importDraft((draft) => {
      draft.field('command', ['/bin/true'], place(1, 'c'));
      draft.propose(['identity', 'address'], ['bridge', 'user'], place(2, 'net'), 'it has a network');
    });
    expect(imported.policy).to.deep.equal({schema: 'tare/policy/v1', identity: {address: ['user']}});
    expect(imported.left[0]?.because).to.contain('kind bridge needs a pool');
  });

  it('proposes no pattern that would allow others too', async () => {
    const imported = await importDraft((draft) => {
      draft.field('image', '/srv/*', place(1, 'rootfs'));
      draft.propose(['images'], ['/srv/*'], place(1, 'rootfs'), 'its root');
      draft.propose(['devices'], ['/dev/fuse', '/dev/nvidia*', '/dev/*'], place(2, 'dev'), 'it has it');
    });
    expect(imported.policy).to.deep.equal({schema: 'tare/policy/v1', devices: ['/dev/fuse', '/dev/nvidia*']});
    expect(imported.left.map(({because}) => because)).to.deep.equal([
      'in images of a policy a * would allow others too',
      'in devices of a policy a * would allow others too',
    ]);
  });

  it('is of one format: a text of fixtures/import is of that of its folder, and of no other', () => {
    const names = FORMATS.map(({name}) => name);
    for (const {name: folder} of readdirSync(FIXTURES, {withFileTypes: true}).filter((entry) => entry.isDirectory())) {
      expect(names).to.include(folder);
      const claims = fixtures(folder).map(({name, text}) =>
        FORMATS.filter(({recognises}) => recognises(text, name)).map((each) => each.name),
      );
      // what descriptions name lies there too, and is of none
      expect([folder, claims.filter((found) => found.length > 0 && found.join(' ') !== folder)]).to.deep.equal([folder, []]);
      expect(claims.flat().length).to.be.at.least(10);
    }
  });

  it('needs the name of the format where none is recognised', async () => {
    expect(await messageOf(importText('hello', null, 'x'))).to.equal(
      `x: none of the formats that are read; allowed: ${FORMATS.map(({name}) => name).join(', ')}; name the format by --format`,
    );
    expect(await messageOf(importText('hello', 'nothing', 'x'))).to.match(
      /^x: none of the formats that are read; found: nothing; allowed: /,
    );
  });
});
