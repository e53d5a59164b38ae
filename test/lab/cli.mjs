// npm run lab -- [options] CMD ARG…
import {parseArgs} from 'node:util';
import {readFileSync} from 'node:fs';
import {Stop, main} from '../../scripts/steps.mjs';
import {build} from '../../scripts/build.mjs';
import {LAB, systemPackages} from '../../scripts/setup.mjs';
import {takeCheckout} from './checkout.mjs';
import {HYBRID, INITS, SUITES, USERS, USUAL} from './recipe.mjs';
import {DELEGATES, runInLab} from './run.mjs';

const OPTIONS = {
  suite: {type: 'string', default: USUAL.suite},
  init: {type: 'string', default: USUAL.init},
  user: {type: 'string', default: 'root'},
  delegate: {type: 'string'},
  'slot-memory': {type: 'string', default: ''},
  hybrid: {type: 'boolean', default: false},
  append: {type: 'string', default: ''},
  packages: {type: 'string', default: ''},
  memory: {type: 'string', default: String(USUAL.memoryMiB)},
  timeout: {type: 'string', default: '600'},
  env: {type: 'string', multiple: true, default: []},
  out: {type: 'string'},
  console: {type: 'string'},
  'no-build': {type: 'boolean', default: false},
  help: {type: 'boolean', short: 'h', default: false},
};

/** The options end at the first word that is none. */
function parse(argv) {
  let end = 0;
  while (end < argv.length && argv[end].startsWith('-') && argv[end] !== '--') {
    const name = argv[end].replace(/^--/, '');
    end += OPTIONS[name]?.type === 'string' ? 2 : 1;
  }
  try {
    const {values} = parseArgs({args: argv.slice(0, end), options: OPTIONS});
    return {values, command: argv.slice(argv[end] === '--' ? end + 1 : end)};
  } catch (error) {
    throw new Stop(`lab: ${error.message}`);
  }
}

function oneOf(what, value, allowed) {
  if (!allowed.includes(value)) throw new Stop(`lab: ${what} ${value}: there are ${allowed.join(', ')}.`);
  return value;
}

function number(what, text) {
  if (!/^[1-9]\d*$/.test(text)) throw new Stop(`lab: --${what} ${text}: a whole number greater than 0 is wanted.`);
  return Number(text);
}

await main(async () => {
  const {values, command} = parse(process.argv.slice(2));
  if (values.help || command.length === 0) {
    process.stdout.write(readFileSync(new URL('usage.txt', import.meta.url)));
    return values.help ? 0 : 64;
  }
  const init = oneOf('--init', values.init, INITS);
  const account = oneOf('--user', values.user, ['root', ...Object.keys(USERS)]);
  const usual = account === 'root' ? 'none' : init === 'systemd' ? 'systemd' : 'condor';
  const delegate = oneOf('--delegate', values.delegate ?? usual, DELEGATES);
  if (delegate === 'systemd' && init !== 'systemd') throw new Stop('lab: --delegate systemd needs --init systemd.');
  if (values.hybrid && init !== 'systemd') throw new Stop('lab: --hybrid needs --init systemd, which makes the hierarchies.');
  const machine = {
    suite: oneOf('--suite', values.suite, SUITES),
    init,
    append: [values.hybrid ? HYBRID : '', values.append].join(' ').trim(),
    packages: values.packages.split(',').filter((name) => name !== ''),
    memoryMiB: number('memory', values.memory),
  };
  const environment = Object.fromEntries(
    values.env.map((each) => {
      const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/s.exec(each) ?? [];
      if (name === undefined) throw new Stop(`lab: --env ${each}: NAME=VALUE is wanted.`);
      return [name, value];
    }),
  );
  const seconds = number('timeout', values.timeout);
  systemPackages(LAB);
  if (!values['no-build']) build();
  const checkout = await takeCheckout();
  try {
    return await runInLab({
      ...{machine, account, delegate, command, checkout, environment, seconds},
      ...{slotMemory: values['slot-memory'], out: values.out ?? null, console: values.console ?? null},
    });
  } finally {
    checkout.remove();
  }
});
