import {expect} from 'chai';
import {parseAd} from '../../../plugins/htcondor/classad.js';
import {aboutOf, benchmarksOf, lrmsOf, slotOf} from '../../../plugins/htcondor/slot.js';

const ads = (job: string, machine = '') => ({job: parseAd(job), machine: parseAd(machine)});

/** Lines that matter of what HTCondor 23.9 wrote for a job's second attempt in a dynamic slot. */
const JOB = `
AccountingGroup = "group_physics.higgs.alice"
AcctGroup = "group_physics.higgs"
ClusterId = 2
Cmd = "/home/alice/run.sh"
CpusProvisioned = 2
DiskProvisioned = 21504
GlobalJobId = "ce01.example.org#2.1#1795539262"
GpusProvisioned = 0
JobRunCount = 3
MemoryProvisioned = 384
MemoryUsage = ((ResidentSetSize + 1023) / 1024)
NumJobStarts = 1
NumShadowStarts = 3
ProcId = 1
RequestCpus = 1
RequestDisk = 20480
RequestMemory = 300
`;
const MACHINE = `
Cpus = 2
Disk = 21504
GPUs = 0
Memory = 384
Name = "slot1_1@wn01.example.org"
RemoteScheddName = "ce01.example.org"
SlotWeight = Cpus
`;

describe('a slot of HTCondor', () => {
  it('is what the machine ad says, in bytes', () => {
    expect(slotOf(ads(JOB, MACHINE), {_CONDOR_SLOT: 'slot1_1'})).to.deep.equal({
      name: 'slot1_1',
      cores: {value: 2, at: '.machine.ad: Cpus'},
      memoryBytes: {value: 384 * 2 ** 20, at: '.machine.ad: Memory'},
      scratchBytes: {value: 21504 * 1024, at: '.machine.ad: Disk'},
      gpus: {value: 0, at: '.machine.ad: GPUs'},
      wallTimeUs: null,
      cpuTimeUs: null,
    });
  });

  it('has the name of the machine ad when the environment has none', () => {
    expect(slotOf(ads('', MACHINE), {}).name).to.equal('slot1_1@wn01.example.org');
  });

  it('is what was provisioned where there is no machine ad', () => {
    const {cores, gpus, memoryBytes, scratchBytes} = slotOf(ads(JOB), {});
    expect(cores).to.deep.equal({value: 2, at: '.job.ad: CpusProvisioned'});
    expect(memoryBytes).to.deep.equal({value: 384 * 2 ** 20, at: '.job.ad: MemoryProvisioned'});
    expect(scratchBytes?.at).to.equal('.job.ad: DiskProvisioned');
    expect(gpus).to.deep.equal({value: 0, at: '.job.ad: GPUsProvisioned'});
  });

  it('is what was requested, if that is a number', () => {
    const job = 'RequestCpus = 4\nRequestMemory = ifthenelse(MemoryUsage =!= undefined,MemoryUsage,1)\nRequestDisk = 10.5\n';
    const {cores, memoryBytes, scratchBytes} = slotOf(ads(job), {});
    expect(cores).to.deep.equal({value: 4, at: '.job.ad: RequestCpus'});
    expect(memoryBytes).to.equal(null);
    expect(scratchBytes?.value).to.equal(10752);
  });

  it('is not one of no cores or of less than nothing', () => {
    expect(slotOf(ads('', 'GPUs = 1.5'), {}).gpus?.value).to.equal(1);
    expect(slotOf(ads('RequestMemory = 1e308', ''), {}).memoryBytes).to.equal(null);
    const {cores, gpus, memoryBytes} = slotOf(ads('RequestCpus = 1', 'Cpus = 0\nMemory = -1\nGPUs = -1'), {});
    expect(cores?.at).to.equal('.job.ad: RequestCpus');
    expect([gpus, memoryBytes]).to.deep.equal([null, null]);
  });

  it('is unknown without ads', () => {
    expect(Object.values(slotOf(ads(''), {})).every((value) => value === null)).to.equal(true);
  });
});

describe('name, VO and owner of a job of HTCondor', () => {
  const about = (job: string) => aboutOf(parseAd(job));

  it('is told by its proxy', () => {
    const job = `x509userproxysubject = "/DC=org/CN=pilot"
x509UserProxyVOName = "atlas"
x509UserProxyFirstFQAN = "/atlas/Role=production/Capability=NULL"
AuthTokenSubject = "somebody"
AuthTokenIssuer = "https://issuer.example.org"
AuthTokenGroups = "/atlas/production"`;
    expect(about(job)).to.deep.equal({
      name: null,
      vo: 'atlas',
      fqan: '/atlas/Role=production/Capability=NULL',
      subject: '/DC=org/CN=pilot',
      issuer: null,
      groups: ['/atlas/production'],
    });
  });

  it('is that of its token: the token that came to the CE counts before the router’s own', () => {
    const job = `orig_AuthTokenSubject = "pilot"
orig_AuthTokenIssuer = "https://issuer.example.org"
orig_AuthTokenGroups = "/cms/production, /cms"
AuthTokenSubject = "router"
AuthTokenIssuer = "pool"`;
    expect(about(job)).to.deep.equal({
      name: null,
      vo: 'cms',
      fqan: null,
      subject: 'pilot',
      issuer: 'https://issuer.example.org',
      groups: ['/cms/production', '/cms'],
    });
  });

  it('is told by the token of a job that was not routed', () => {
    const {issuer, subject} = about('AuthTokenSubject = "alice"\nAuthTokenIssuer = "pool"');
    expect([subject, issuer]).to.deep.equal(['alice', 'pool']);
  });

  const fqans: [string, string | null, string | null][] = [
    ['x509UserProxyFirstFQAN = "/cms/Role=pilot"', '/cms/Role=pilot', 'cms'],
    ['x509UserProxyFQAN = "/CN=a&comma; b,/a&amp;b/x&comma;y,/c"', '/a&b/x,y', 'a&b'],
    ['x509UserProxyFQAN = "/CN=a"', null, null],
    ['x509UserProxyFirstFQAN = "/"', '/', null],
    ['x509UserProxyFirstFQAN = undefined', null, null],
  ];
  for (const [line, fqan, vo] of fqans) {
    it(`has for ${line} the FQAN ${fqan} and the VO ${vo}`, () => {
      const {fqan: read, vo: of} = about(line);
      expect([read, of]).to.deep.equal([fqan, vo]);
    });
  }

  it('has the name of its batch, else of its executable', () => {
    expect(about(String.raw`JobBatchName = "nightly \"run\" é"`).name).to.equal('nightly "run" é');
    expect(about(JOB).name).to.equal('run.sh');
    expect(about('Cmd = "/dir/"').name).to.equal(null);
    expect(about(`Cmd = "${'x'.repeat(1e6)}/"`).name).to.equal(null);
  });
});

describe('where a job of HTCondor comes from', () => {
  it('is read from the ads', () => {
    expect(lrmsOf(ads(JOB, MACHINE))).to.deep.equal({
      host: 'ce01.example.org',
      queue: 'group_physics.higgs',
      localJobId: '2.1',
      globalJobId: 'ce01.example.org#2.1#1795539262',
      attempt: 2,
    });
  });

  it('is the schedd that named the job where the machine ad names none', () => {
    expect(lrmsOf(ads(JOB)).host).to.equal('ce01.example.org');
    expect(lrmsOf(ads('GlobalJobId = "odd"')).host).to.equal(null);
  });

  const attempts: [string, number][] = [
    ['NumJobStarts = 0\nNumShadowStarts = 4', 1],
    ['NumJobStarts = 2', 3],
    ['NumJobStarts = -3', 1],
    ['NumJobStarts = undefined', 1],
    ['', 1],
  ];
  for (const [job, attempt] of attempts) {
    it(`is attempt ${attempt} for ${JSON.stringify(job)}`, () => expect(lrmsOf(ads(job)).attempt).to.equal(attempt));
  }

  it('is unknown without ads', () => {
    expect(lrmsOf(ads(''))).to.deep.equal({host: null, queue: null, localJobId: null, globalJobId: null, attempt: 1});
  });
});

describe('benchmarks of a machine', () => {
  const of = (text: string): unknown => benchmarksOf(parseAd(`ApelSpecs = ${text}`)).map(({name, valuePerCore}) => [name, valuePerCore]);

  it('are the literals of ApelSpecs that APEL knows, per core', () => {
    expect(of("[HEPSPEC=1.390000000000000E+01; SI2K=2793; 'HEPscore23' = 14.37 ]")).to.deep.equal([
      ['HEPSPEC', 13.9],
      ['si2k', 2793],
      ['HEPscore23', 14.37],
    ]);
    expect(benchmarksOf(parseAd('ApelSpecs = [hepscore23 = 14]'))[0]?.source).to.equal('machine-ad:ApelSpecs');
  });

  for (const text of [
    'undefined',
    '[]',
    '[HS06 = 12]',
    '[HEPSPEC = Cpus * 2]',
    '[HEPSPEC = -3]',
    '[HEPSPEC = 0]',
    '"[HEPSPEC = 3]"',
    '{1, 2}',
    '[[[',
  ])
    it(`are none in ${text}`, () => {
      expect(of(text)).to.deep.equal([]);
    });

  it('of one name the first counts', () => {
    expect(of('[HEPSPEC = 1; hepspec = 2]')).to.deep.equal([['HEPSPEC', 1]]);
  });
});
