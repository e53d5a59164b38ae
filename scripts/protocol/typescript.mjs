// src/schema/generated/protocol.ts: types of frames, what reads and writes them, and what writes the keys of a launch.
const HEAD = `// Made by scripts/build-protocol.mjs from ../protocol.json; do not edit.

/** A frame as its strings. */
export interface RawFrame {
  tag: string;
  strings: string[];
}

/** A frame of a version that has more of them. */
export interface UnknownFrame {
  name: 'unknown';
  tag: string;
}

/** Takes the strings of one frame one after the other. What is left when all fields are read is a later version's. */
class Strings {
  private at = 0;
  private readonly frame: string;
  private readonly all: readonly string[];

  constructor(frame: string, all: readonly string[]) {
    this.frame = frame;
    this.all = all;
  }

  get more(): boolean {
    return this.at < this.all.length;
  }

  text(field: string): string {
    const text = this.all[this.at++];
    if (text === undefined) throw new Error(\`frame \${this.frame}: there is no \${field}\`);
    return text;
  }

  path(field: string): string {
    return this.text(field) || this.wrong(field, '');
  }

  number(field: string, least: number, most: number): number {
    const text = this.text(field);
    const number = Number(text);
    return /^-?\\d+$/.test(text) && number >= least && number <= most ? number : this.wrong(field, text);
  }

  numberOrNull(field: string, least: number, most: number): number | null {
    if (this.all[this.at] !== '') return this.number(field, least, most);
    this.at++;
    return null;
  }

  octal(field: string): number {
    const text = this.text(field);
    return /^[0-7]{1,6}$/.test(text) ? Number.parseInt(text, 8) : this.wrong(field, text);
  }

  /** The raw wait status of a process that has ended: an exit code, or a signal and whether there is a core. */
  status(field: string): number {
    const status = this.number(field, 0, 0xffff);
    const signal = status & 0x7f;
    return signal <= 64 ? status : this.wrong(field, String(status));
  }

  word<T extends string>(field: string, words: readonly T[]): T {
    const text = this.text(field);
    return words.find((word) => word === text) ?? this.wrong(field, text);
  }

  flag(field: string, word: string): boolean {
    return this.word(field, ['', word]) === word;
  }

  rest(): string[] {
    const rest = this.all.slice(this.at);
    this.at = this.all.length;
    return rest;
  }

  counted(field: string): string[] {
    return Array.from({length: this.number(field, 0, this.all.length)}, () => this.text(field));
  }

  numbers(field: string, least: number, most: number): number[] {
    const numbers: number[] = [];
    while (this.more) numbers.push(this.number(field, least, most));
    return numbers;
  }

  private wrong(field: string, text: string): never {
    throw new Error(\`frame \${this.frame}: \${field} is '\${text}'\`);
  }
}

const octal = (mode: number): string => mode.toString(8).padStart(4, '0');
`;

const capital = (name) => name[0].toUpperCase() + name.slice(1);
/** A text as a sentence; the name of a thing stays as it is. */
const sentence = (text) => `${/^[a-z]+[^\w]/.test(text) ? capital(text) : text}.`;
/** Names of types: those of JavaScript's own are not taken. */
const typeName = (name) => `${capital(name)}Frame`;
const comment = (text, indent = '') => (text ? `${indent}/** ${text.replaceAll('*/', '* /')} */\n` : '');

/** Types of fields that are no numbers; others are strings. */
const TYPES = {
  status: 'number',
  octal: 'number',
  flag: 'boolean',
  counted: 'readonly string[]',
  rest: 'readonly string[]',
  numbers: 'readonly number[]',
  ending: 'Ending',
};

function typeOf(field) {
  if (field.record !== undefined) return capital(field.record);
  if (field.fields !== undefined) return `{${field.fields.map((each) => `${each.name}: ${typeOf(each)}`).join('; ')}}`;
  if (field.range !== undefined && field.type !== 'numbers') return field.empty === undefined ? 'number' : 'number | null';
  return field.type === 'word' ? field.words.map((word) => `'${word}'`).join(' | ') : (TYPES[field.type] ?? 'string');
}

function read(field) {
  const {name, range, type} = field;
  if (field.record !== undefined) return `read${capital(field.record)}(from)`;
  if (field.fields !== undefined) return `{${field.fields.map((each) => `${each.name}: ${read(each)}`).join(', ')}}`;
  if (type === 'numbers') return `from.numbers('${name}', ${range.join(', ')})`;
  if (range !== undefined) return `from.number${field.empty === undefined ? '' : 'OrNull'}('${name}', ${range.join(', ')})`;
  if (type === 'word') return `from.word('${name}', [${field.words.map((word) => `'${word}'`).join(', ')}])`;
  if (type === 'flag') return `from.flag('${name}', '${field.word}')`;
  if (type === 'rest') return 'from.rest()';
  if (type === 'ending') return 'readEnding(from)';
  return `from.${type}('${name}')`;
}

/** The strings of values that are no numbers, by type; others are strings themselves. */
const WRITTEN = {
  octal: (value) => `octal(${value})`,
  flag: (value, {word}) => `${value} ? '${word}' : ''`,
  counted: (value) => `String(${value}.length), ...${value}`,
  rest: (value) => `...${value}`,
  ending: (value) => `...${value}.map(String)`,
};

/** The strings of a field, as elements of an array. */
function written(field, value) {
  if (field.record !== undefined) return `...write${capital(field.record)}(${value})`;
  if (field.fields !== undefined) return field.fields.map((each) => written(each, `${value}.${each.name}`)).join(', ');
  if (field.type === 'numbers') return `...${value}.map(String)`;
  if (field.range !== undefined || field.type === 'status')
    return field.empty === undefined ? `String(${value})` : `String(${value} ?? '')`;
  return WRITTEN[field.type]?.(value, field) ?? value;
}

const maybe = (field, value) =>
  field.optional === undefined ? written(field, value) : `...(${value} === undefined ? [] : [${written(field, value)}])`;

function interfaceOf({name, when, fields}) {
  const lines = fields.map((field) => {
    const about = [field.optional === undefined ? '' : `Only ${field.optional}.`, field.meaning ? sentence(field.meaning) : '']
      .concat(field.empty === undefined ? [] : [`null: ${field.empty}.`])
      .filter(Boolean)
      .join(' ');
    return `${comment(about, '  ')}  ${field.name}${field.optional === undefined ? '' : '?'}: ${typeOf(field)};\n`;
  });
  return `${comment(sentence(when))}export interface ${typeName(name)} {\n  name: '${name}';\n${lines.join('')}}\n`;
}

function readerOf({name, fields}) {
  const parts = fields.map((field) =>
    field.optional === undefined ? `${field.name}: ${read(field)}` : `...(from.more ? {${field.name}: ${read(field)}} : {})`,
  );
  const from = fields.length === 0 ? '' : 'from: Strings';
  return `function read${capital(name)}(${from}): ${typeName(name)} {\n  return {${[`name: '${name}'`, ...parts].join(', ')}};\n}\n`;
}

function recordOf({name, fields}) {
  const type = capital(name);
  const body = fields.map((field) => `${comment(field.meaning, '  ')}  ${field.name}: ${typeOf(field)};\n`).join('');
  return [
    `export interface ${type} {\n${body}}\n`,
    `function read${type}(from: Strings): ${type} {\n  return {${fields.map((each) => `${each.name}: ${read(each)}`).join(', ')}};\n}\n`,
    `const write${type} = (${name}: ${type}): string[] => [${fields.map((each) => written(each, `${name}.${each.name}`)).join(', ')}];\n`,
  ].join('\n');
}

function endingsOf(endings) {
  const types = endings.map(({name, type}) => (type === undefined ? `['${name}']` : `['${name}', number]`));
  const cases = endings.map(
    (each) => `    case '${each.name}':\n      return [kind${each.type === undefined ? '' : `, ${read({...each, name: 'ending'})}`}];\n`,
  );
  return `/** How the shim is to end; \`over\`: as a supervisor before has said. */
export type Ending = ${types.join(' | ')};

function readEnding(from: Strings): Ending {
  const kind = from.word('ending', [${endings.map(({name}) => `'${name}'`).join(', ')}]);
  switch (kind) {
${cases.join('')}  }
}
`;
}

function linkOf({name, title, frames}) {
  const union = capital(name);
  const reads = frames.map((frame) => {
    const from = frame.fields.length === 0 ? '' : `new Strings('${frame.name}', strings)`;
    return `    case '${frame.tag}':\n      return read${capital(frame.name)}(${from});\n`;
  });
  const writes = frames.map(
    ({name: frame, tag, fields}) =>
      `    case '${frame}':\n      return {tag: '${tag}', strings: [${fields.map((field) => maybe(field, `frame.${field.name}`)).join(', ')}]};\n`,
  );
  return `/** Frames ${title}. */
export type ${union} = ${frames.map((frame) => typeName(frame.name)).join(' | ')};

/** @throws Error when a field is missing, or is not what it must be */
export function decode${union}({tag, strings}: RawFrame): ${union} | UnknownFrame {
  switch (tag) {
${reads.join('')}    default:
      return {name: 'unknown', tag};
  }
}

export function encode${union}(frame: ${union}): RawFrame {
  switch (frame.name) {
${writes.join('')}  }
}
`;
}

function wordType({type, range}) {
  if (type === 'ids') return 'readonly number[]';
  if (type === 'amount') return "number | 'unlimited'";
  return range === undefined ? 'string' : 'number';
}

function wordText({type, range}, value) {
  if (type === 'ids') return `\${${value}.join(',')}`;
  return range === undefined && type !== 'amount' ? `\${${value}}` : `\${String(${value})}`;
}

/** `name: (arguments) => the string`. */
function builderOf({key, name, value, prefix = '', separator = ' ', meaning}) {
  const head = `${comment(sentence(meaning), '  ')}  ${name}: `;
  if (value.length === 0) return `${head}(): string => '${key}${prefix}',\n`;
  if (value.length === 1)
    return `${head}(${value[0].name}: ${wordType(value[0])}): string => \`${key}${prefix}${wordText(value[0], value[0].name)}\`,\n`;
  const names = value.map((each) => each.name).join(', ');
  const types = value.map((each) => `${each.name}${each.optional ? '?: ' : ': '}${wordType(each)}`).join('; ');
  const text = value
    .map((each, at) => {
      const between = at === value.length - 1 ? '' : separator;
      return each.optional
        ? `\${${each.name} === undefined ? '' : \`${wordText(each, each.name)}${between}\`}`
        : `${wordText(each, each.name)}${between}`;
    })
    .join('');
  return `${head}({${names}}: {${types}}): string => \`${key}${prefix}${text}\`,\n`;
}

export function typescript({frames, links, endings, records, launch}) {
  return [
    HEAD,
    ...records.map(recordOf),
    endingsOf(endings),
    ...frames.map(interfaceOf),
    ...frames.map(readerOf),
    ...links.map(linkOf),
    `/** Strings of the launch frame, by what they say. */\nexport const launchKey = {\n${launch.map(builderOf).join('')}};\n`,
  ].join('\n');
}
