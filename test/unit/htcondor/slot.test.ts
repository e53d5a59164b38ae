import {expect} from 'chai';
import {parseAd} from '../../../plugins/htcondor/classad.js';
import {readSlot} from '../../../plugins/htcondor/slot.js';

const read = (job: string, machine = '', environment = {}) => readSlot(parseAd(job), parseAd(machine), environment);

describe('a slot of HTCondor', () => {
  it('is what the machine grants, in bytes', () => {
    const {slot} = read('RequestCpus = 1', 'Name = "slot1_2@wn"\nCpus = 4\nMemory = 2048\nDisk = 1000\nGPUs = 2');
    expect(slot).to.deep.equal({
      name: 'slot1_2@wn',
      cores: {value: 4, at: '.machine.ad: Cpus'},
      memoryBytes: {value: 2 ** 31, at: '.machine.ad: Memory'},
      scratchBytes: {value: 1_024_000, at: '.machine.ad: Disk'},
      gpus: {value: 2, at: '.machine.ad: GPUs'},
      wallTimeUs: null,
      cpuTimeUs: null,
    });
  });

  it('is what was provisioned, else asked for, where the machine says nothing; never an expression or nothing at all', () => {
    const {slot} = read('CpusProvisioned = 3\nRequestCpus = 2\nRequestMemory = ifThenElse(true, 1, 2)\nRequestDisk = 0', 'GPUs = 0', {
      _CONDOR_SLOT: 'slot7',
    });
    expect([slot.cores, slot.memoryBytes, slot.scratchBytes, slot.gpus, slot.name]).to.deep.equal([
      {value: 3, at: '.job.ad: CpusProvisioned'},
      null,
      null,
      null,
      'slot7',
    ]);
  });
});

describe('a job of HTCondor', () => {
  it('has the ids that its schedd gives it; this start is not counted yet', () => {
    const {lrms} = read(
      'GlobalJobId = "ce.example.org#42.3#1789998900"\nClusterId = 42\nProcId = 3\nNumJobStarts = 1\nAcctGroup = "group_atlas"',
    );
    expect(lrms).to.deep.equal({
      host: 'ce.example.org',
      queue: 'group_atlas',
      localJobId: '42.3',
      globalJobId: 'ce.example.org#42.3#1789998900',
      attempt: 2,
    });
    expect(read('').lrms).to.deep.equal({host: null, queue: null, localJobId: null, globalJobId: null, attempt: 1});
  });

  const identities: [title: string, ad: string, vo: string | null, subject: string | null, issuer: string | null][] = [
    [
      'a certificate with its VO',
      'x509UserProxyVOName = "atlas"\nx509userproxysubject = "/DC=org/CN=me"\nAuthTokenGroups = "/cms"',
      'atlas',
      '/DC=org/CN=me',
      null,
    ],
    ['a certificate’s first attribute', 'x509UserProxyFirstFQAN = "/cms/Role=pilot/Capability=NULL"', 'cms', null, null],
    [
      'a token',
      'AuthTokenGroups = "/lhcb/prod, /lhcb"\nAuthTokenSubject = "abc"\nAuthTokenIssuer = "https://iam/"',
      'lhcb',
      'abc',
      'https://iam/',
    ],
    [
      'a token that a CE passed on',
      'orig_AuthTokenGroups = "dune"\norig_AuthTokenSubject = "d"\norig_AuthTokenIssuer = "i"',
      'dune',
      'd',
      'i',
    ],
    ['nobody', 'Owner = "x"', null, null, null],
  ];
  for (const [title, ad, vo, subject, issuer] of identities) {
    it(`is of ${title}`, () => {
      const {about} = read(ad);
      expect([about.vo, about.subject, about.issuer]).to.deep.equal([vo, subject, issuer]);
    });
  }
});
