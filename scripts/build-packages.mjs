// npm run build:packages [-- NAME…]: dist/tare as a tarball, a deb and an RPM, or those that are named. The packages install the folder as /opt/tare, with links where a shell
// and man look, and what a node needs besides: scripts/packages, configs. One whose packager this machine lacks is left out, with a line that says what to install.
// --as VERSION --to FOLDER: the same under another version, not packed, for tests of upgrades.
import {spawn, spawnSync} from 'node:child_process';
import {copyFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {parseArgs} from 'node:util';
import {Stop, main, root, step, which} from './steps.mjs';

const dist = path.join(root, 'dist');
const {values: other, positionals: chosen} = parseArgs({options: {as: {type: 'string'}, to: {type: 'string'}}, allowPositionals: true});
const {version: own, description, license} = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const version = other.as ?? own;
/** gzip, which every version of dpkg and rpm reads. */
const PACKED = other.as === undefined ? {deb: '-Zgzip', rpm: 'w6.gzdio'} : {deb: '-Znone', rpm: 'w.ufdio'};
const to = path.resolve(other.to ?? dist);
/** Where a package has the folder. Jobs run from a copy that the package manager does not know: scripts/packages/installed. */
const INSIDE = `usr/lib/tare/${version}`;
const LINKS = {
  'usr/bin/tare': '../../opt/tare/bin/tare',
  'usr/bin/tare-wrap': '../../opt/tare/bin/tare-wrap',
  'usr/share/man/man1/tare.1': '../../../../opt/tare/share/man/man1/tare.1',
  'usr/share/man/man1/tare-wrap.1': '../../../../opt/tare/share/man/man1/tare-wrap.1',
};
/** Files of configs/ that a node finds where it looks for them; those in /etc are the site's to change. */
const FILES = {
  'usr/lib/tmpfiles.d/tare.conf': 'tmpfiles.d/tare.conf',
  ...Object.fromEntries(
    readdirSync(path.join(root, 'configs/systemd')).map((name) => [`usr/lib/systemd/system/${name}`, `systemd/${name}`]),
  ),
  'etc/cron.d/tare': 'cron.d/tare',
  'etc/logrotate.d/tare': 'logrotate.d/tare',
  'etc/tare/policy.yaml.example': 'policies/example.yaml',
};
const OF_THE_SITE = Object.keys(FILES).filter((name) => name.startsWith('etc/'));

/** A script of scripts/packages as the packages run it, with their version and without its first line. */
const script = (name) => `set -- ${version}\n${readFileSync(path.join(root, 'scripts/packages', name), 'utf8').replace(/^#!.*\n/, '')}`;
const [INSTALLED, REMOVED] = ['installed', 'removed'].map(script);

/** When the last commit was made: the same sources are the same packages. */
function sourceDate() {
  const {status, stdout} = spawnSync('git', ['show', '--no-patch', '--format=%ct', 'HEAD'], {cwd: root, encoding: 'utf8'});
  return status === 0 ? stdout.trim() : String(Math.floor(Date.now() / 1000));
}
const env = {SOURCE_DATE_EPOCH: process.env.SOURCE_DATE_EPOCH ?? sourceDate()};

function installedTree(place) {
  cpSync(path.join(dist, 'tare'), path.join(place, INSIDE), {recursive: true, verbatimSymlinks: true});
  writeFileSync(path.join(place, INSIDE, 'VERSION'), `${version}\n`);
  for (const [name, from] of Object.entries(FILES)) {
    mkdirSync(path.join(place, path.dirname(name)), {recursive: true});
    copyFileSync(path.join(root, 'configs', from), path.join(place, name));
  }
  for (const [link, target] of Object.entries(LINKS)) {
    mkdirSync(path.join(place, path.dirname(link)), {recursive: true});
    symlinkSync(target, path.join(place, link));
  }
}

function tarball() {
  const name = `tare-${version}-x86_64`;
  const same = ['--sort=name', `--mtime=@${env.SOURCE_DATE_EPOCH}`, '--owner=0', '--group=0', '--numeric-owner'];
  const inside = ['--directory', dist, `--transform=flags=r;s,^tare,${name},`, 'tare'];
  step('tarball', 'tar', [
    '--create',
    '--use-compress-program=gzip --no-name',
    '--file',
    path.join(to, `${name}.tar.gz`),
    ...same,
    ...inside,
  ]);
}

function deb(work) {
  const tree = path.join(work, 'deb');
  installedTree(tree);
  mkdirSync(path.join(tree, 'DEBIAN'));
  writeFileSync(
    path.join(tree, 'DEBIAN/control'),
    [
      'Package: tare',
      `Version: ${version}`,
      'Architecture: amd64',
      'Maintainer: The Tare developers <tare@example.org>',
      'Depends: libc6',
      'Recommends: bubblewrap',
      'Section: admin',
      'Priority: optional',
      `Description: ${description}`,
      '',
    ].join('\n'),
  );
  writeFileSync(path.join(tree, 'DEBIAN/conffiles'), OF_THE_SITE.map((name) => `/${name}\n`).join(''));
  const scripts = {postinst: `[ "$1" = configure ] || exit 0\n${INSTALLED}`, prerm: `[ "$1" = remove ] || exit 0\n${REMOVED}`};
  for (const [name, text] of Object.entries(scripts)) writeFileSync(path.join(tree, 'DEBIAN', name), `#!/bin/sh\n${text}`, {mode: 0o755});
  const file = path.join(to, `tare_${version}_amd64.deb`);
  step('deb', 'dpkg-deb', ['--root-owner-group', PACKED.deb, '--build', tree, file], {env});
}

/** The programs are as they were tested: rpm neither strips them nor looks into them. */
function rpm(work) {
  const tree = path.join(work, 'rpm');
  installedTree(tree);
  const spec = path.join(work, 'tare.spec');
  writeFileSync(
    spec,
    `Name: tare
Version: ${version}
Release: 1
Summary: ${description.replace(/\.$/, '')}
License: ${license}
Requires: glibc
Recommends: bubblewrap
AutoReqProv: no
%global debug_package %{nil}
%global __os_install_post %{nil}
%global _build_id_links none
%global _binary_payload ${PACKED.rpm}
%global source_date_epoch_from_changelog 0
%global use_source_date_epoch_as_buildtime 1
%global clamp_mtime_to_source_date_epoch 1
%description
${description}
%install
cp -a ${tree}/. %{buildroot}
%post
${INSTALLED.replaceAll('%', '%%')}
%preun
[ "$1" = 0 ] || exit 0
${REMOVED.replaceAll('%', '%%')}
%files
%dir /usr/lib/tare
/${INSIDE}
${[...Object.keys(LINKS), ...Object.keys(FILES)].map((name) => `${OF_THE_SITE.includes(name) ? '%config(noreplace) ' : ''}/${name}`).join('\n')}
`,
  );
  const define = (name, value) => ['--define', `${name} ${value}`];
  const places = [
    ...define('_topdir', path.join(work, 'rpmbuild')),
    ...define('_rpmdir', to),
    ...define('_build_name_fmt', '%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm'),
  ];
  step('RPM', 'rpmbuild', ['-bb', '--quiet', '--target', 'x86_64', ...places, ...define('_buildhost', 'localhost'), spec], {env});
}

const PACKAGES = [
  {name: 'tarball', program: 'tar', remedy: 'install tar', make: tarball},
  {name: 'deb', program: 'dpkg-deb', remedy: 'install dpkg', make: deb},
  {name: 'RPM', program: 'rpmbuild', remedy: 'install rpm (Debian, Ubuntu) or rpm-build (Enterprise Linux, Fedora)', make: rpm},
];

/** Packs one, in a program of its own: what that said, when it has ended. */
const apart = ({name}) =>
  new Promise((resolve, reject) => {
    const own = Object.entries(other).flatMap(([option, value]) => [`--${option}`, value]);
    const child = spawn(process.execPath, [import.meta.filename, ...own, name.toLowerCase()], {stdio: ['ignore', 'inherit', 'pipe']});
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (piece) => (said += piece));
    child.on('error', reject).on('close', (status) => {
      process.stderr.write(said);
      resolve(status ?? 1);
    });
  });

await main(async () => {
  const unknown = chosen.find((each) => !PACKAGES.some(({name}) => name.toLowerCase() === each));
  if (unknown !== undefined)
    throw new Stop(`${unknown}: no such package; there are ${PACKAGES.map(({name}) => name.toLowerCase()).join(', ')}`);
  const wanted = PACKAGES.filter(({name}) => chosen.length === 0 || chosen.includes(name.toLowerCase()));
  // each takes one core to compress
  if (wanted.length > 1) return Math.max(...(await Promise.all(wanted.map(apart))));
  const [{name, program, remedy, make}] = wanted;
  if (which(program) === null) {
    process.stderr.write(`no ${name}: ${program} is missing; ${remedy}\n`);
    return 0;
  }
  // Not in the system's temporary directory, which may be small.
  const work = mkdtempSync(path.join(to, 'packages-'));
  try {
    make(work);
  } finally {
    rmSync(work, {recursive: true, force: true});
  }
  return 0;
});
