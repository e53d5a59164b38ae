// Seeds for the harnesses that read frames: one good example of each frame and of each key, as native/fuzz/world.h has them (a form feed
// ends a frame, a newline a string; a harness's own letter before each names its sender).

/** Of types whose examples are the same in every field; others are `text`. */
const EXAMPLES = {
  status: ['256'],
  octal: ['0022'],
  counted: ['2', 'tare-wrap', 'true'],
  rest: ['A=1'],
  ending: ['code', '1'],
  ids: ['1,2'],
  amount: ['1'],
  absolute: ['/tmp'],
  path: ['/tmp'],
  name: ['A'],
};

function exampleOf({name, type, range, words, word, record, group, fields, example}) {
  if (record !== undefined || group !== undefined) return fields.flatMap(exampleOf);
  if (example !== undefined) return [example];
  if (range !== undefined) return [String(range[0] > 0 || type === 'index' ? range[0] : 1)];
  if (type === 'word') return [words === undefined ? name : words[0]];
  return type === 'flag' ? [word] : (EXAMPLES[type] ?? ['text']);
}

/** With all that is optional, or without. */
const stringsOf = ({fields}, whole) => fields.filter(({optional}) => whole || optional === undefined).flatMap(exampleOf);
const keyOf = ({key, value, prefix = '', separator = ' '}) => key + prefix + value.map((each) => exampleOf(each)[0]).join(separator);

const scripted = (from, tag, strings) => from + tag + strings.map((text) => `${text}\n`).join('');
const script = (...frames) => frames.join('\f');

/** As on the socket. */
function bytesOf({tag}, strings) {
  const body = Buffer.from(tag + strings.map((text) => `${text}\0`).join(''));
  const head = Buffer.alloc(4);
  head.writeUInt32LE(body.length);
  return Buffer.concat([head, body]);
}

const dashed = (name) => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** @returns from the name of a file below fixtures/fuzz to what is in it */
export function protocolSeeds({links, launch, specification}) {
  const seeds = new Map();
  const tags = Object.fromEntries(
    links.map(({name, frames}) => [name, Object.fromEntries(frames.map((frame) => [frame.name, frame.tag]))]),
  );
  const keys = Object.fromEntries(launch.map((row) => [row.name, keyOf(row)]));
  const ofLink = (name) => links.find((link) => link.name === name).frames;
  const hasOptional = ({fields}) => fields.some(({optional}) => optional !== undefined);
  const add = (target, frame, make) => {
    const forms = hasOptional(frame) ? [true, false] : [true];
    for (const whole of forms) {
      const name = `protocol-${dashed(frame.name)}${whole ? '' : '-without-options'}`;
      seeds.set(`${target}/${name}`, Buffer.from(make(frame, stringsOf(frame, whole), whole)));
    }
  };

  const {launch: launchTag, go} = tags.supervisorToShim;
  const {initHere, waiting} = tags.initToShim;
  const several = script(
    scripted('b', launchTag, [keys.application, keys.argument]),
    scripted('i', initHere, []),
    scripted('i', waiting, []),
    scripted('b', go, ['0', '1']),
  );
  const single = script(
    scripted('b', launchTag, [keys.argument]),
    scripted('i', initHere, []),
    scripted('i', waiting, []),
    scripted('b', go, []),
  );
  for (const frame of ofLink('supervisorToShim')) add('shim', frame, ({tag}, strings) => scripted('b', tag, strings));
  for (const frame of ofLink('initToShim')) {
    const ofSeveral = frame.fields.some(({group}) => group !== undefined);
    add('shim', frame, ({tag}, strings, whole) => script(ofSeveral && whole ? several : single, scripted('i', tag, strings)));
  }
  for (const frame of ofLink('shimToInit')) {
    const {payload, begin} = tags.shimToInit;
    add('init', frame, ({tag}, strings) =>
      script(scripted('d', payload, ['a/bin/true']), scripted('d', tag, strings), scripted('d', begin, [])),
    );
    add('applications', frame, ({tag}, strings) => scripted('f', tag, strings));
  }
  for (const frame of ofLink('keeperToInit')) add('applications', frame, ({tag}, strings) => scripted('k', tag, strings));
  for (const frame of ofLink('initToKeeper')) add('keeper', frame, ({tag}, strings) => scripted('c', tag, strings));
  for (const frame of ofLink('payloadToKeeper')) add('keeper', frame, ({tag}, strings) => scripted('l', tag, strings));
  for (const frame of ofLink('shimToSupervisor')) add('hello', frame, bytesOf);
  for (const {name, frames} of links) {
    const stream = Buffer.concat(frames.map((frame) => bytesOf(frame, stringsOf(frame, true))));
    seeds.set(`frames/protocol-${dashed(name)}`, Buffer.concat([Buffer.from([20]), stream]));
  }

  /** A view has a source and a destination. */
  const twice = (strings) => strings.flatMap((string) => (string === keys.swap ? [string, string] : [string]));
  const ofPart = (part, ...without) => twice(launch.filter((row) => row.parts.includes(part) && !without.includes(row.name)).map(keyOf));
  const launches = {
    box: [...ofPart('box', 'application'), keys.argument],
    payload: ofPart('payload'),
    replace: ofPart('replace'),
    applications: [
      ...ofPart('common'),
      ...['one', 'two'].flatMap((name) => [
        keys.application.slice(0, 1) + name,
        ...(name === 'one' ? ofPart('application', 'guestOf', 'writableAgain') : [keys.argument, keys.guestOf, keys.writableAgain]),
      ]),
    ],
  };
  for (const [name, strings] of Object.entries(launches))
    seeds.set(`launch/protocol-keys-of-${name}`, Buffer.from(scripted('L', launchTag, strings)));
  const {payload, begin} = tags.shimToInit;
  const specified = specification.map(keyOf);
  const [program] = specified;
  for (const [at, name] of ['first', 'second'].entries()) {
    const half = specified.slice(at === 0 ? 0 : specified.length / 2, at === 0 ? specified.length / 2 : undefined);
    const strings = twice([...new Set([program, ...half])]);
    seeds.set(`init/protocol-specification-${name}`, Buffer.from(script(scripted('d', payload, strings), scripted('d', begin, []))));
  }
  return seeds;
}
