/** The inits of images: where they lie, how they are told to boot and to end, and how one sees that their services run. */

import type {Init} from '../job/job.js';

/** Inits that come with an image. */
export type ImageInit = Exclude<Init, 'tare'>;

/** How one init is started, stopped and asked. */
export interface KnownInit {
  /** Where it can lie in an image: the first that is there. */
  paths: readonly string[];
  argv: (path: string) => string[];
  /** What tells it to stop its services and to end. */
  stopSignal: number;
  /** Whether it needs control groups of its own. */
  groups: boolean;
  /** Shell functions: `booted` succeeds when it has brought up what it starts by itself, `begin NAME` starts a service, `about NAME` says why not. */
  functions: string;
}

/** SIGRTMIN+3 of glibc: systemd(1) halts. */
const SIGRTMIN_3 = 37;
const SIGINT = 2;
const SIGUSR2 = 12;

/** A service of System V or the like: its script says whether it runs, where it can (LSB: 3, not running; 1 and 2, dead). */
const SCRIPTS = `begin() {
  for f in "/etc/init.d/$1" /etc/init.d/S[0-9][0-9]"$1"; do
    [ -x "$f" ] || continue
    "$f" status >/dev/null 2>&1 && return 0
    "$f" start || return 1
    "$f" status >/dev/null 2>&1
    case $? in 1|2|3) return 1;; *) return 0;; esac
  done
  echo "there is no /etc/init.d/$1"
  return 1
}
about() { :; }`;

/** The inits that an image may bring; systemd's signal is that of systemd(1), Signals. */
export const INITS: Readonly<Record<ImageInit, KnownInit>> = {
  systemd: {
    paths: ['/usr/lib/systemd/systemd', '/lib/systemd/systemd'],
    argv: (path) => [path, '--system', '--log-target=console', '--show-status=no'],
    stopSignal: SIGRTMIN_3,
    groups: true,
    // --wait, which versions before 240 do not know: it says so when the boot is over
    functions: `booted() {
  case $(systemctl is-system-running --wait 2>/dev/null || systemctl is-system-running 2>/dev/null) in *running|*degraded) return 0;; *) return 1;; esac
}
begin() { systemctl start -- "$1" && systemctl --quiet is-active -- "$1"; }
about() { systemctl --no-pager --full -n 0 status -- "$1"; journalctl --no-pager -q -n 20 -u "$1"; }`,
  },
  // Ctrl-Alt-Del, for which its inittab has the orderly end (inittab(5))
  sysvinit: {
    paths: ['/sbin/init'],
    argv: (path) => [path],
    stopSignal: SIGINT,
    groups: false,
    functions: `booted() { runlevel >/dev/null 2>&1 && ! grep -qs '/etc/init.d/[r]c' /proc/[0-9]*/cmdline; }
${SCRIPTS}`,
  },
  openrc: {
    paths: ['/sbin/openrc-init', '/sbin/init'],
    argv: (path) => [path],
    stopSignal: SIGINT,
    groups: false,
    functions: `booted() { [ "$(cat /run/openrc/softlevel 2>/dev/null)" = default ] && [ ! -e /run/openrc/rc.starting ]; }
begin() { rc-service "$1" status >/dev/null 2>&1 || rc-service "$1" start; }
about() { rc-service "$1" status; }`,
  },
  // as `poweroff` of busybox does
  busybox: {
    paths: ['/sbin/init', '/bin/busybox'],
    argv: (path) => (path.endsWith('/busybox') ? [path, 'init'] : [path]),
    stopSignal: SIGUSR2,
    groups: false,
    functions: `booted() { ! grep -qs '/etc/init.d/[r]cS' /proc/[0-9]*/cmdline; }
${SCRIPTS}`,
  },
};

/**
 * For `sh -c`, with the services as arguments: waits until the image's init has booted, then starts what does not run yet.
 * That nothing of the boot runs is believed when process 1 waits, has waited for a child before (minor faults of these, proc_pid_stat(5)), and has no
 * child that is named as what its inittab has it wait for, or as itself, which has not executed yet. A daemon can be named so for good: it is believed
 * after 100 looks, which are some 3 s (100 s where `sleep` knows whole seconds alone). 50 looks are 3 ms apart, later ones 50 ms.
 */
export const bootScript = ({functions}: KnownInit): string => `${functions}
pauses=0 doubts=0 own=init
read -r own 2>/dev/null </proc/1/comm
steps=" $own rcS "
pause() {
  pauses=$((pauses + 1))
  if [ $pauses -le 50 ]; then sleep 0.003; else sleep 0.05; fi 2>/dev/null || sleep 1
}
readSteps() {
  set -f
  while line=; IFS=: read -r id levels action line || [ -n "$line" ]; do
    set -- $line
    program=\${1##*/}
    case $action in sysinit|boot|bootwait|wait) steps="$steps$(printf %.15s "\${program#-}") ";; esac
  done </etc/inittab
  set +f
}
waits() {
  read -r stat </proc/1/stat
  set -- \${stat##*) }
  [ "$1" = S ] && [ "$9" -gt 0 ] || return 1
  children=
  read -r children </proc/1/task/1/children
  for child in $children; do
    name=
    read -r name <"/proc/$child/comm"
    [ -n "$name" ] || continue
    case $steps in *" $name "*) return 1;; esac
  done
}
calm() { booted && { waits 2>/dev/null || [ $((doubts += 1)) -gt 100 ]; }; }
readSteps 2>/dev/null
until calm && pause && calm; do pause; done
for s; do
  begin "$s" && continue
  echo "the service $s does not run"
  about "$s"
  exit 1
done`;
