import {expect} from 'chai';
import type {Surroundings} from '../../../src/equivalent/outline.js';
import {renderEquivalent} from '../../../src/equivalent/render.js';
import {TOOL_NAMES, type ToolName} from '../../../src/equivalent/table.js';
import {stepsOf} from '../../../src/plan/step.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {planCase, readCases, type Case} from '../../golden/cases.js';
import {looks, surroundingsOf} from '../../golden/equivalents.js';

let cases: Case[] = [];
before(async () => {
  cases = await readCases();
});

function planned(name: string, change: (plan: Plan) => void = () => undefined): {plan: Plan; surroundings: Surroundings} {
  const found = cases.find((each) => each.name === name);
  const plan = found === undefined ? {codes: []} : planCase(found);
  if (found === undefined || 'codes' in plan) throw new Error(`${name} is no case with a plan`);
  const own = structuredClone(plan);
  change(own);
  return {plan: own, surroundings: surroundingsOf(found)};
}

const MCSIM = 'el9-v2-condor24.mcsim.builtin';
const textOf = (tool: ToolName, name: string, change?: (plan: Plan) => void): string => {
  const {plan, surroundings} = planned(name, change);
  return `${renderEquivalent(tool, plan, surroundings)}\n`;
};
const withArgv =
  (...argv: string[]) =>
  (plan: Plan): void => {
    for (const step of stepsOf(plan, 'payload.execute')) step.argv = argv;
  };

interface Config {
  annotations: Record<string, string>;
  process: {args: string[]; env: string[]; rlimits: object[]};
  root: {path: string; readonly: boolean};
  mounts: {destination: string; source: string; options: string[]}[];
  linux: {resources: object; seccomp?: {defaultAction: string}};
}
const config = (name: string, change?: (plan: Plan) => void): Config => JSON.parse(textOf('oci', name, change)) as Config;

describe('a plan as the text of another tool', () => {
  it('is written for every plan of the goldens, by every tool, with no undefined, and nothing between comments and text', () => {
    let written = 0;
    for (const each of cases) {
      const plan = planCase(each);
      if ('codes' in plan) continue;
      for (const tool of TOOL_NAMES) {
        const text = renderEquivalent(tool, plan, surroundingsOf(each));
        expect(text, `${each.name} ${tool}`).to.not.match(/undefined|\[object|[ =]null\b|\{box\}|\bNaN\b/);
        expect(text.endsWith('\n'), `${each.name} ${tool}`).to.equal(false);
        if (tool === 'oci') JSON.parse(text);
        written++;
      }
    }
    expect(written).to.be.at.least(900);
  });

  it('names every step and limit that it has not, or has otherwise', () => {
    const bwrap = textOf('bwrap', MCSIM);
    for (const about of [
      'limit cores',
      'limit memory',
      'limit processes',
      'limit wallTime',
      'limit cpuTime',
      'seccomp.load',
      'record',
      'exit status',
      'weigh.processes',
    ])
      expect(bwrap).to.contain(`\n# ${about}`);
    expect(bwrap).to.not.contain('limit openFiles'); // the job has none
    expect(textOf('systemd-run', 'debian13-v1root.full.rules')).to.not.contain('# limit memory');
  });

  it('keeps words whole: spaces, quotes, line ends', () => {
    const argv = withArgv('./run', 'a b', "it's", 'two\nlines', '');
    const words = `./run 'a b' 'it'\\''s' $'two\\nlines' ''`;
    for (const tool of ['docker', 'podman', 'nspawn', 'bwrap', 'apptainer'] as const)
      expect(textOf(tool, MCSIM, argv), tool).to.contain(`timeout -k 10 600 ${words}\n`);
    expect(textOf('lxc', MCSIM, argv)).to.contain(`#   lxc-start -F -n mcsim -f mcsim.conf -- timeout -k 10 600 ${words}\n`);
    expect(textOf('libvirt', MCSIM, argv)).to.contain('<initarg>two&#10;lines</initarg>\n    <initarg></initarg>');
    expect(config(MCSIM, argv).process.args).to.deep.equal(['timeout', '-k', '10', '600', './run', 'a b', "it's", 'two\nlines', '']);
  });

  it('systemd replaces no variable in a command', () => {
    const text = textOf('systemd-run', MCSIM, withArgv('/bin/sh', '-c', 'echo $HOME 100%'));
    expect(text).to.contain("-- /bin/sh -c 'echo $$HOME 100%'\n");
    expect(textOf('systemd-run', MCSIM, withArgv('./run'))).to.contain(`-- /bin/sh -c 'exec "$$0" "$$@"' ./run\n`);
  });

  it('paths with separators of the format are escaped', () => {
    const odd = (plan: Plan): void => {
      plan.steps.push({
        op: 'mount.bind',
        source: '/data/a:b,c d',
        destination: '/data/a:b,c d',
        options: ['rw'],
        optional: false,
        because: 'a test',
      });
    };
    expect(textOf('docker', MCSIM, odd)).to.contain(`'type=bind,"source=/data/a:b,c d","destination=/data/a:b,c d"'`);
    expect(textOf('nspawn', MCSIM, odd)).to.contain(`'--bind=/data/a\\:b,c d:/data/a\\:b,c d'`);
    expect(textOf('systemd-run', MCSIM, odd)).to.contain(`-p 'BindPaths="/data/a:b,c d"'`);
    expect(textOf('lxc', MCSIM, odd)).to.contain('lxc.mount.entry = /data/a:b,c\\040d data/a:b,c\\040d none rbind,rw');
  });

  it('says what a format cannot hold', () => {
    const odd = (plan: Plan): void => {
      plan.steps.push({op: 'environment.set', name: 'LINES_OF', value: 'a\nb', because: 'a test'});
    };
    const lxc = textOf('lxc', MCSIM, odd);
    expect(lxc).to.contain('# environment.set: LINES_OF holds a line end');
    expect(lxc).to.not.match(/^lxc\.environment = LINES_OF/m);
    const libvirt = textOf('libvirt', MCSIM, withArgv('/bin/echo', 'a\u0001b'));
    expect(libvirt).to.contain('payload.execute: a text holds control characters');
    expect(libvirt).to.contain('<initarg>ab</initarg>');
    const control = (plan: Plan): void => {
      plan.steps.push({op: 'environment.set', name: 'BELL', value: '\u0007', because: 'a test'});
    };
    for (const tool of ['systemd-run', 'nspawn'] as const)
      expect(textOf(tool, MCSIM, control), tool)
        .to.contain("$'--setenv=BELL=\\x07'")
        .and.not.contain('BELL holds');
    expect(textOf('docker', MCSIM, control)).to.contain("--env $'BELL=\\x07'");
    expect(textOf('bwrap', MCSIM, withArgv('/bin/echo', 'a\ufffdb'))).to.contain('bytes that are no UTF-8');
  });

  it('nothing in a text steers a terminal, whatever a job holds', () => {
    const odd = 'a\u001b\u0085\u009b\u200b\u202e\u2028\u2029\u{e0001}z';
    const change = (plan: Plan): void => {
      const because = 'a test';
      withArgv('/bin/echo', odd)(plan);
      for (const step of stepsOf(plan, 'payload.execute')) step.workDirectory = `/${odd}`;
      plan.steps.push({op: 'environment.set', name: 'ODD', value: odd, because});
      plan.steps.push({op: 'mount.bind', source: `/${odd}`, destination: `/${odd}`, options: ['ro'], optional: false, because});
      plan.steps.push({op: 'mount.bind', source: `{box}/${odd}`, destination: `/x${odd}`, options: ['ro'], optional: false, because});
      plan.steps.push({op: 'mount.tmpfs', destination: `/t:${odd}`, mode: '0755', sizeBytes: 4096, because});
      plan.steps.push({op: 'image.take', path: `/i${odd}`, kind: 'directory', digest: null, tree: null, because});
    };
    for (const tool of TOOL_NAMES)
      expect(textOf(tool, MCSIM, change).replaceAll('\n', ''), tool).to.not.match(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    expect(textOf('docker', MCSIM, change)).to.contain('\\xc2\\x9b');
    expect(config(MCSIM, change).process.args.at(-1)).to.equal(odd);
    const lxc = textOf('lxc', MCSIM, change);
    expect(lxc).to.contain('# environment.set: ODD holds').and.contain('it is not set.');
    expect(lxc).to.match(/# mount\.bind: .* holds a control or format character, .*: it is not mounted\./);
    expect(lxc).to.not.match(/^lxc\.mount\.entry = .*\ufffd/m);
  });

  it('no engine asks a registry for an image that is made before', () => {
    for (const tool of ['docker', 'podman'] as const) expect(textOf(tool, MCSIM), tool).to.contain('\n  --pull=never \\\n');
    const archive = (plan: Plan): void => {
      plan.steps.push({op: 'image.take', path: '/images/a', kind: 'oci-archive', digest: null, tree: null, because: 'a test'});
    };
    expect(textOf('docker', MCSIM, archive)).to.contain('--pull=never');
    expect(textOf('podman', MCSIM, archive)).to.not.contain('--pull');
  });

  it('a comment ends where the tool says, whatever a job is called', () => {
    const odd = (plan: Plan): void => {
      plan.steps.push({
        op: 'mount.bind',
        source: '{box}/x',
        destination: '/a\nrm -rf /',
        options: ['ro'],
        optional: false,
        because: 'a test',
      });
      plan.steps.push({op: 'mount.bind', source: '{box}/y', destination: '/-->', options: ['ro'], optional: false, because: 'a test'});
    };
    expect(textOf('docker', MCSIM, odd)).to.not.match(/^rm -rf/m);
    expect(textOf('libvirt', MCSIM, odd).match(/-->/g)).to.have.lengthOf(1);
  });

  it('nor do the texts of applications, and the place of an image', () => {
    const waits = (plan: Plan): void => {
      for (const step of stepsOf(plan, 'application.execute')) step.ready = {when: 'file', path: '/a\nrm -rf /', withinUs: 1e6};
    };
    for (const tool of TOOL_NAMES) expect(textOf(tool, 'el9-v2-condor24.pipeline.builtin', waits), tool).to.not.match(/^rm -rf/m);
    const image = (plan: Plan): void => {
      const path = '/images/a\nlxc.hook.start = /evil';
      plan.steps.push({op: 'image.take', path, kind: 'directory', digest: null, tree: null, because: 'a test'});
    };
    const lxc = textOf('lxc', MCSIM, image);
    expect(lxc).to.not.match(/^lxc\.hook/m);
    expect(lxc).to.contain('# image.take: its path holds a line end');
  });

  it('has a payload that is process 1 as process 1, and says where it is not', () => {
    const first = (plan: Plan): void => {
      for (const step of stepsOf(plan, 'payload.execute')) step.first = true;
    };
    const limited = (plan: Plan): void => {
      first(plan);
      plan.limits.wallTime.value = 60e6;
    };
    const free = (plan: Plan): void => {
      first(plan);
      plan.limits.wallTime.value = null;
    };
    for (const [tool, option] of [
      ['bwrap', '--as-pid-1'],
      ['apptainer', '--no-init'],
    ] as const) {
      expect(textOf(tool, MCSIM, first)).to.contain(`${option} `);
      expect(textOf(tool, MCSIM)).to.not.contain(option);
    }
    for (const tool of TOOL_NAMES) {
      const note = 'with a limit on wall time process 1 is timeout(1), and the command its child.';
      expect(textOf(tool, MCSIM, limited).includes(note), tool).to.equal(tool !== 'systemd-run');
      expect(textOf(tool, MCSIM, free), tool).to.not.contain(note);
    }
    expect(textOf('systemd-run', MCSIM, free)).to.contain('PrivatePIDs is of systemd 257');
    expect(textOf('systemd-run', MCSIM)).to.not.contain('PrivatePIDs');
  });

  it('says that tasks of a batch system share the box', () => {
    const tasks = (plan: Plan): void => {
      for (const step of stepsOf(plan, 'payload.execute')) step.tasks = 4;
    };
    expect(textOf('docker', MCSIM, tasks)).to.contain('# payload.execute: the box is made for 4 tasks of the batch system');
  });

  it('several applications: one command each with its own limits, or said', () => {
    const name = 'el9-v2-condor24.pipeline.builtin';
    const docker = textOf('docker', name);
    expect(docker.match(/^docker run/gm)).to.have.lengthOf(4);
    const heads = docker.match(/^# (?:conditions|simulate-1|simulate-2|merge)\b/gm);
    expect(heads).to.deep.equal(['# conditions', '# simulate-1', '# simulate-2', '# merge']);
    for (const tool of ['podman', 'lxc', 'nspawn', 'bwrap', 'apptainer', 'systemd-run'] as const) {
      const text = textOf(tool, name);
      expect(text.lastIndexOf('./merge'), tool).to.be.greaterThan(text.lastIndexOf('./simulate'));
    }
    expect(docker).to.contain('# simulate-1: it starts when conditions listens on port 5432 (within 1m)');
    expect(docker).to.match(/--name pipeline-simulate-1 [^]*?--memory 838860800/);
    const {annotations, process} = config(name);
    expect(process.args.slice(-3)).to.deep.equal(['./merge', '--output', 'HITS']);
    expect(
      Object.values(annotations).filter((note) => note.startsWith('application.execute: ') && note.includes('not started: cd ')),
    ).to.have.lengthOf(3);
  });

  it('a small machine: the payload, and its services said', () => {
    const text = textOf('docker', 'el9-v2-condor24.machine.systemd');
    expect(text.match(/^docker run/gm)).to.have.lengthOf(1);
    expect(text).to.match(/# application\.execute: init; .*not started: cd \/ && \/usr\/lib\/systemd\/systemd/);
  });

  it('a job that is only observed has no limits there', () => {
    const text = textOf('docker', 'el9-v2-condor24.mcsim.observe');
    expect(text).to.contain('# mode: Tare only observes this job');
    expect(text).to.not.match(/--memory|--cpus|--pids-limit|timeout/);
  });

  it('optional files that are absent are named, and not bound', () => {
    const {plan, surroundings} = planned(MCSIM);
    const all = renderEquivalent('docker', plan, {...surroundings, looks: (path) => looks(path) ?? 'file'});
    expect(all).to.contain('source=/tmp/x509up_u1001');
    expect(all).to.not.contain('not on the node now');
    expect(renderEquivalent('docker', plan, surroundings)).to.match(/not on the node now, and so not bound: .*\/tmp\/x509up_u1001/);
  });

  it('places of the wrapper that are absent are named, and not covered', () => {
    const {plan, surroundings} = planned('debian13-v1root.full.rules');
    const {state} = plan.directories;
    const covered = `--tmpfs ${state} `;
    expect(renderEquivalent('bwrap', plan, surroundings))
      .to.contain(covered)
      .and.to.contain(`--remount-ro ${state} `);
    const text = renderEquivalent('bwrap', plan, {...surroundings, looks: (path) => (path === state ? null : looks(path))});
    expect(text).to.contain(`not on the node now, and so not covered: ${state}`);
    expect(text).to.not.contain(covered).and.to.not.contain(`--remount-ro ${state} `);
  });

  it('limits of an OCI runtime are in linux.resources and process.rlimits', () => {
    const {linux, process, root} = config('el9-v2-condor24.full.rules');
    expect(linux.resources).to.deep.equal({
      memory: {limit: 4227858432, swap: 4227858432},
      cpu: {quota: 750000, period: 100000, cpus: '2,3,5,6,7,8,9,10'},
      pids: {limit: 500},
      unified: {'memory.oom.group': '1', 'cpu.weight': '750'},
    });
    expect(process.rlimits).to.deep.equal([
      {type: 'RLIMIT_NOFILE', soft: 4096, hard: 4096},
      {type: 'RLIMIT_CORE', soft: 0, hard: 0},
      {type: 'RLIMIT_CPU', soft: 1036800, hard: 1036810},
    ]);
    expect(linux.seccomp?.defaultAction).to.equal('SCMP_ACT_ALLOW');
    expect(root).to.deep.equal({path: 'rootfs', readonly: true});
  });

  it('each format of image is given as the tool takes it', () => {
    const image =
      (kind: 'directory' | 'oci-archive' | 'squashfs', tree: string | null) =>
      (plan: Plan): void => {
        plan.steps.push({op: 'image.take', path: '/images/a', kind, digest: null, tree, because: 'a test'});
        for (const step of stepsOf(plan, 'mount.bind'))
          if (step.destination === '/') Object.assign(step, {source: '{box}/view/0', options: ['rw']});
      };
    expect(textOf('docker', MCSIM, image('directory', null))).to.contain(
      'tar --create --directory /images/a . | docker import - tare-image:1',
    );
    expect(textOf('docker', MCSIM, image('oci-archive', null))).to.contain('skopeo copy oci-archive:/images/a docker-daemon:tare-image:1');
    expect(textOf('podman', MCSIM, image('directory', null))).to.contain('--rootfs /images/a:O ');
    expect(textOf('apptainer', MCSIM, image('oci-archive', null))).to.contain('\n  oci-archive:/images/a timeout');
    expect(textOf('apptainer', MCSIM, image('squashfs', null))).to.contain('\n  /images/a timeout');
    expect(textOf('nspawn', MCSIM, image('squashfs', null))).to.contain('--image=/images/a \\\n  --volatile=overlay');
    expect(textOf('systemd-run', MCSIM, image('squashfs', null))).to.contain('-p RootImage=/images/a');
    expect(textOf('lxc', MCSIM, image('oci-archive', '/cache/trees/1'))).to.contain(
      'lxc.rootfs.path = /cache/trees/1/root\nlxc.rootfs.options = ro',
    );
    expect(textOf('bwrap', MCSIM, image('oci-archive', null))).to.contain('# image.take: /images/a.root stands for');
  });
});
