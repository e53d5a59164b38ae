/** systemd-nspawn: settings files (systemd.nspawn(5)), and command lines (systemd-nspawn(1)), whose options are the same settings. */

import {posix} from 'node:path';
import {Problems} from '../job/problems.js';
import {show} from '../job/show.js';
import {suggest} from '../job/suggest.js';
import {Draft} from './draft.js';
import {refusePart, type Foreign, type Format} from './format.js';
import {placeImage} from './image.js';
import {isNspawnCommand, MACHINE, readNspawnCommand} from './nspawn-command.js';
import {LEFT, TRUTHS} from './nspawn-left.js';
import {READERS, RLIMITS, readRlimit, type Container, type Setting} from './nspawn-settings.js';
import {placeResources, UNSET_SWAP} from './resources.js';
import {readSettings, truthOf} from './systemd-syntax.js';

/** systemd-nspawn's settings, as a file or a command. */
export const NSPAWN_FORMAT: Format = {
  name: 'nspawn',
  title: 'systemd-nspawn settings (.nspawn), or command line',
  recognises: (text, file) => file.endsWith('.nspawn') || isNspawnCommand(text) || SECTION.test(text.slice(0, BEGINNING)),
  read: readNspawn,
};

/** Comments and empty lines, and then a section of these files. */
const SECTION = /^\ufeff?(?:[ \t]*(?:[#;].*)?\r?\n)*[ \t]*\[(?:Exec|Files|Network)\]/;
/** Characters in which a section must begin. */
const BEGINNING = 64 * 1024;
/** Settings that may come several times; of others the last counts. */
const LISTS =
  /^(Exec\.(Parameters|Environment|Capability|AmbientCapability|DropCapability|SystemCallFilter|CPUAffinity)|Files\.(Bind|BindReadOnly|TemporaryFileSystem|Inaccessible|Overlay|OverlayReadOnly|BindUser)|Network\.(Interface|MACVLAN|IPVLAN|VirtualEthernetExtra|Port))$/;
/** Settings that give it a network besides the node's, of which one that is no switch is enough. */
const NETWORKS = /^Network\.(Bridge|Zone|MACVLAN|IPVLAN|Interface|VirtualEthernetExtra|NamespacePath)$/;
const TRUE = /^(1|yes|y|true|t|on)$/i;

const NO_NETWORK =
  'no network is named: systemd-nspawn shares the node’s, and Tare gives the first that the policy allows, usually the node’s network';

/** @throws TareError, TareErrors for lines and values that systemd cannot read, with their places */
function readNspawn(foreign: Foreign): Draft {
  refusePart(foreign);
  const {text, file} = foreign;
  const problems = new Problems();
  const draft = new Draft();
  const isCommand = isNspawnCommand(text);
  const settings = isCommand ? readNspawnCommand(foreign, draft, problems) : readSettings(text, file, problems);
  const container: Container = {draft, problems, resources: {}, boots: null, parameters: null, cpus: [], hasNetwork: false};
  const last = new Map(settings.map((setting) => [keyOf(setting), setting]));
  container.hasNetwork = settings.some((setting) => NETWORKS.test(keyOf(setting)) && setting.value !== '');
  // whether it has a link decides what Private means
  const inOrder = [...settings].sort((a, b) => Number(keyOf(a) === 'Network.Private') - Number(keyOf(b) === 'Network.Private'));
  for (const setting of inOrder) {
    const key = keyOf(setting);
    if (!LISTS.test(key) && last.get(key) !== setting) draft.leave(setting.origin, 'it is set again, and the last one counts');
    else problems.attempt(() => readSetting(setting, container));
  }
  refuseTwoStarts(last, problems);
  placeStart(container, TRUE.test(last.get('Exec.ProcessTwo')?.value ?? 'no'), file);
  if (!settings.some(({section}) => section === 'Network')) draft.leave({at: file, as: 'no [Network]'}, NO_NETWORK);
  placeResources(container.resources, draft, problems, UNSET_SWAP.runtime);
  if (!isCommand) placeMachine(draft, file);
  problems.throwIfAny();
  return draft;
}

const keyOf = ({section, name}: Setting): string => `${section}.${name}`;

function readSetting(setting: Setting, container: Container): void {
  const {section, name, origin} = setting;
  const key = keyOf(setting);
  const read = Object.hasOwn(READERS, key) ? READERS[key] : undefined;
  const because = Object.hasOwn(LEFT, key) ? LEFT[key] : undefined;
  const limit = section === 'Exec' && name.startsWith('Limit') ? name.slice('Limit'.length) : '';
  const kind = Object.hasOwn(RLIMITS, limit) ? RLIMITS[limit] : undefined;
  const isEmpty = setting.value === '' && setting.words === undefined && !/^Exec\.(Parameters|Environment)$/.test(key);
  if (isEmpty && (read ?? because ?? kind) !== undefined) container.draft.leave(origin, 'it is empty, and sets nothing');
  else if (read !== undefined) read(setting, container);
  else if (kind !== undefined) readRlimit(limit, kind, setting, container);
  else if (because !== undefined) {
    const others = Object.hasOwn(TRUTHS, key) ? TRUTHS[key] : undefined;
    if (others !== undefined && !others.includes(setting.value)) truthOf(setting, others);
    container.draft.leave(origin, because);
  } else {
    const near = suggest(key, [...Object.keys(READERS), ...Object.keys(LEFT), ...Object.keys(RLIMITS).map((one) => `Exec.Limit${one}`)]);
    container.draft.leave(origin, `systemd-nspawn knows no ${key}${near === null ? '' : `: did they mean ${near}?`}`);
  }
}

function refuseTwoStarts(settings: ReadonlyMap<string, Setting>, problems: Problems): void {
  const boot = settings.get('Exec.Boot');
  const two = settings.get('Exec.ProcessTwo');
  if (boot === undefined || two === undefined || !TRUE.test(boot.value) || !TRUE.test(two.value)) return;
  problems.invalid({
    message: 'a container boots, or has its program as process 2',
    where: two.at,
    found: show('Boot and ProcessTwo'),
    allowed: 'one of them',
  });
}

/** A job has a payload: what a container boots is beside it. */
function placeStart({draft, boots, parameters}: Container, isSecond: boolean, file: string): void {
  const init = 'write `init` (systemd, sysvinit, openrc or busybox), and as `command` the payload, which runs beside it';
  if (boots?.isTrue === true) {
    draft.field('pattern', 'vm-lite', boots.origin);
    draft.leave(boots.origin, `it boots the init of its files, and nothing says which: ${init}`);
    if (parameters !== null) draft.leave(parameters.origin, 'these are arguments of init, which Tare starts without any');
  } else if (parameters !== null) {
    draft.field('command', parameters.words, parameters.origin);
    if (!isSecond) draft.field('firstProcess', true, parameters.origin);
  } else
    draft.leave({at: file, as: 'Parameters'}, `no program is named: systemd-nspawn starts a shell, systemd-nspawn@.service boots: ${init}`);
}

/** `NAME.nspawn` is for the machine of that name, whose files are below /var/lib/machines (machinectl(1)). */
function placeMachine(draft: Draft, file: string): void {
  const [, machine = ''] = /^(.+)\.nspawn$/.exec(posix.basename(file)) ?? [];
  const origin = {at: file, as: posix.basename(file)};
  if (!MACHINE.test(machine)) {
    draft.leave(origin, 'the file does not say where the files of the container are: write their directory as `image`');
    return;
  }
  draft.field('name', machine, origin);
  placeImage(`/var/lib/machines/${machine}`, origin, draft);
}
