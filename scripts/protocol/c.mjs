// native/generated/protocol.h and .c: names of frames and keys, what reads a frame into a struct, and what writes one from it.
import {PARTS} from './table.mjs';

const HEAD = '/* Made by scripts/build-protocol.mjs from src/schema/protocol.json; do not edit. */\n';

const snake = (name) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const upper = (name) => snake(name).toUpperCase();
/** errno is a macro. */
const member = ({name}) => (name === 'errno' ? 'error' : snake(name));
const constant = (number) => (Math.abs(number) > 2 ** 31 ? `${number}L` : String(number));

/** Whether a process of this program reads what comes on a link, and whether one writes it. */
const READS = ['supervisorToShim', 'shimToInit', 'initToShim', 'initToKeeper', 'keeperToInit'];
const isRead = ({links, fields}) => links.some((link) => READS.includes(link)) && isStruct(fields);
const isWritten = ({name, links, fields}) =>
  fields.length > 0 && !fields.some(isKeys) && (name === 'notExecuted' || links.some((link) => link !== 'supervisorToShim'));
/** The strings of a launch are taken one by one, by their keys. */
const isKeys = ({name}) => name === 'keys';
const isStruct = (fields) => fields.length > 0 && !fields.some(isKeys);
const isList = ({type}) => type === 'numbers';

/** What a field that is no number is in C, by its type; others are strings. */
const DECLARED = {
  status: (name) => `int ${name};`,
  octal: (name) => `unsigned ${name};`,
  flag: (name) => `bool ${name};`,
  counted: (name, indent) => `size_t ${name}_count;\n${indent}char *const *${name};`,
  rest: (name) => `char *const *${name}; /* NULL-terminated */`,
  ending: (name) => `struct ending_field ${name};`,
};

function members(field, indent = '\t') {
  const name = member(field);
  const has = field.optional !== undefined && field.fields === undefined ? `${indent}bool has_${name};\n` : '';
  const empty = field.empty === undefined ? '' : ` /* -1: ${field.empty} */`;
  if (field.record !== undefined) return `${indent}struct ${snake(field.record)} ${name};\n`;
  if (field.fields !== undefined) {
    const given = field.optional === undefined ? '' : `${indent}\tbool given;\n`;
    return `${indent}struct {\n${given}${field.fields.map((each) => members(each, `${indent}\t`)).join('')}${indent}} ${name};\n`;
  }
  if (isList(field)) return `${indent}struct frame ${name}; /* its next strings, each a number that was looked at */\n`;
  if (field.range !== undefined) return `${has}${indent}long ${name};${empty}\n`;
  return `${indent}${DECLARED[field.type]?.(name, indent) ?? `const char *${name};`}\n`;
}

/** How a string that is no number is read, by the type of its field. */
const READ = {
  status: (place) => `frame_status(&at, &${place})`,
  path: (place) => `(${place} = frame_string(&at)) && *${place}`,
  ending: (place) => `read_ending(&at, &${place})`,
  text: (place) => `(${place} = frame_string(&at))`,
};

/** An expression that is false when the field is not what it must be. */
function readField(field, target) {
  const place = `${target}${member(field)}`;
  if (field.record !== undefined) return `read_${snake(field.record)}(&at, &${place})`;
  if (field.fields !== undefined) return field.fields.map((each) => readField(each, `${place}.`)).join(' && ');
  if (field.range !== undefined) {
    const range = field.range.map(constant).join(', ');
    if (isList(field)) return `are_numbers(${place} = at, ${range})`;
    return field.empty === undefined ? `frame_number(&at, ${range}, &${place})` : `number_or_none(&at, ${range}, &${place})`;
  }
  if (READ[field.type] === undefined) throw new Error(`${field.name}: nobody reads a field of the type ${field.type} in C`);
  return READ[field.type](place);
}

/** The statements that write one that is no number; others are strings. */
const WRITE = {
  status: (place) => [`message_add_number(message, ${place});`],
  octal: (place) => [`add_octal(message, ${place});`],
  flag: (place, {word}) => [`message_add(message, ${place} ? "${word}" : "");`],
  counted: (place) => [
    `message_add_number(message, (long long)${place}_count);`,
    `for (size_t i = 0; i < ${place}_count; i++)`,
    `\tmessage_add(message, ${place}[i]);`,
  ],
  rest: (place) => [`for (char *const *one = ${place}; *one; one++)`, '\tmessage_add(message, *one);'],
  ending: () => {
    throw new Error('nobody writes an ending in C');
  },
};

function writeField(field, source) {
  const place = `${source}${member(field)}`;
  if (field.record !== undefined) return [`write_${snake(field.record)}(message, &${place});`];
  if (field.fields !== undefined) return field.fields.flatMap((each) => writeField(each, `${place}.`));
  if (field.range !== undefined) return [`${field.empty === undefined ? 'message_add_number' : 'add_number_or_none'}(message, ${place});`];
  return WRITE[field.type]?.(place, field) ?? [`message_add(message, ${place});`];
}

const reader = ({name}) => `bool read_${snake(name)}_frame(const struct frame *frame, struct ${snake(name)}_frame *fields)`;
function writer({name, fields}) {
  if (fields.some(isList))
    return `void write_${snake(name)}_frame(struct message *message, const int *${snake(fields[0].name)}, size_t count)`;
  return `void write_${snake(name)}_frame(struct message *message, const struct ${snake(name)}_frame *fields)`;
}

function readerBody(frame) {
  const lines = frame.fields.map((field) => {
    const read = readField(field, 'fields->');
    if (field.optional === undefined) return `\tif (!(${read}))\n\t\treturn false;\n`;
    const given = field.fields === undefined ? `fields->has_${member(field)}` : `fields->${member(field)}.given`;
    return `\t${given} = at.at < at.end;\n\tif (${given} && !(${read}))\n\t\treturn false;\n`;
  });
  return `${reader(frame)}\n{\n\tstruct frame at = *frame;\n\n${lines.join('')}\treturn true;\n}\n`;
}

function writerBody(frame) {
  const begin = `\tmessage_begin(message, FRAME_${upper(frame.name)});\n`;
  if (frame.fields.some(isList))
    return `${writer(frame)}\n{\n${begin}\tfor (size_t i = 0; i < count; i++)\n\t\tmessage_add_number(message, ${snake(frame.fields[0].name)}[i]);\n}\n`;
  const lines = frame.fields.map((field) => {
    const write = writeField(field, 'fields->');
    if (field.optional === undefined) return write.map((line) => `\t${line}\n`).join('');
    const given = field.fields === undefined ? `fields->has_${member(field)}` : `fields->${member(field)}.given`;
    const [open, close] = write.length > 1 ? [' {', '\t}\n'] : ['', ''];
    return `\tif (${given})${open}\n${write.map((line) => `\t\t${line}\n`).join('')}${close}`;
  });
  return `${writer(frame)}\n{\n${begin}${lines.join('')}}\n`;
}

const enumOf = (name, rows) => `enum ${name} {\n${rows.map((row) => `\t${row},\n`).join('')}};\n`;

export function header({frames, links, endings, records, launch, specification}) {
  const titles = Object.fromEntries(links.map(({name, title}) => [name, title]));
  const structs = frames.filter((frame) => (isRead(frame) || isWritten(frame)) && isStruct(frame.fields));
  const frameRows = frames.map(
    ({name, tag, links: on}) => `FRAME_${upper(name)} = '${tag}', /* ${on.map((link) => titles[link]).join('; ')} */`,
  );
  return [
    HEAD,
    '#pragma once\n\n#include "../frame.h"\n\n#include <stdbool.h>\n#include <stddef.h>\n',
    `/* Tags of frames. One letter can have several names: which one depends on who sends it. */`,
    `enum frame_tag {\n${frameRows.map((row) => `\t${row}\n`).join('')}};\n`,
    '/* Keys of a launch: the first byte of its strings. */',
    enumOf(
      'launch_key',
      launch.map(({name, key}) => `KEY_${upper(name)} = '${key}'`),
    ),
    '/* Which of them may stand where. */',
    ...PARTS.map(
      (part) =>
        `#define KEYS_OF_${upper(part)} "${launch
          .filter(({parts}) => parts.includes(part))
          .map(({key}) => key)
          .join('')}"`,
    ),
    '\n/* Whether what follows the key is of the shape that it must have; lists and several words are looked at by who takes them. */',
    'bool launch_key_valid(char key, const char *text);\n',
    '/* Keys of a specification, which the shim writes for init. */',
    enumOf(
      'specification_key',
      specification.map(({name, key}) => `SPECIFICATION_${upper(name)} = '${key}'`),
    ),
    enumOf(
      'ending_kind',
      endings.map(({name}) => `ENDING_${upper(name)}`),
    ),
    'struct ending_field {\n\tenum ending_kind kind;\n\tlong value;\n};\n',
    ...records.map(({name, fields}) => `struct ${snake(name)} {\n${fields.map((field) => members(field)).join('')}};\n`),
    ...structs
      .filter((frame) => isRead(frame) || !frame.fields.some(isList))
      .map(({name, fields}) => `struct ${snake(name)}_frame {\n${fields.map((field) => members(field)).join('')}};\n`),
    '/* They read a frame of that name, whose strings stay where they are. False: a field is missing, or is not what it must be. */',
    ...frames.filter(isRead).map((frame) => `${reader(frame)};`),
    '\n/* They begin a message and write it whole. */',
    ...frames.filter(isWritten).map((frame) => `${writer(frame)};`),
    '',
  ].join('\n');
}

/** The condition that the text of a key has to meet; '': any text will do. */
function keyCondition({value, prefix = ''}) {
  if (value.length === 0) return prefix === '' ? '!*text' : `!strcmp(text, "${prefix}")`;
  const [{type, range}, ...more] = value;
  if (more.length > 0 || prefix !== '') return '';
  if (type === 'absolute') return "*text == '/'";
  if (type === 'path') return '*text';
  return range === undefined ? '' : `parse_number(text, ${range.map(constant).join(', ')}, &number)`;
}

function keysValid(launch) {
  const conditions = new Map();
  for (const row of launch.filter((each) => keyCondition(each) !== ''))
    conditions.set(keyCondition(row), [...(conditions.get(keyCondition(row)) ?? []), row]);
  const cases = [...conditions].map(
    ([condition, rows]) => `${rows.map(({name}) => `\tcase KEY_${upper(name)}:\n`).join('')}\t\treturn ${condition};\n`,
  );
  return `bool launch_key_valid(char key, const char *text)\n{\n\tlong number;\n\n\tswitch (key) {\n${cases.join('')}\tdefault:\n\t\treturn true;\n\t}\n}\n`;
}

function endingReader(endings) {
  const rows = endings.map((ending) => {
    const kind = `ENDING_${upper(ending.name)}`;
    const head = `\tif (!strcmp(kind, "${ending.name}")) {\n\t\tending->kind = ${kind};\n`;
    if (ending.type === undefined) return `${head}\t\treturn true;\n\t}\n`;
    if (ending.type !== 'status')
      return `${head}\t\treturn frame_number(at, ${ending.range.map(constant).join(', ')}, &ending->value);\n\t}\n`;
    return `${head}\t\tint status;\n\t\tbool good = frame_status(at, &status);\n\t\tending->value = good ? status : 0;\n\t\treturn good;\n\t}\n`;
  });
  return `static bool read_ending(struct frame *at, struct ending_field *ending)
{
	const char *kind = frame_string(at);

	ending->value = 0;
	if (!kind)
		return false;
${rows.join('')}	return false;
}
`;
}

function recordBodies({name, fields}) {
  const reads = fields.map((field) => readField(field, 'fields->').replace('&at', 'at')).join(' &&\n\t       ');
  const writes = fields.flatMap((field) => writeField(field, 'fields->')).map((line) => `\t${line}\n`);
  return [
    `static bool read_${snake(name)}(struct frame *at, struct ${snake(name)} *fields)\n{\n\treturn ${reads};\n}\n`,
    `static void write_${snake(name)}(struct message *message, const struct ${snake(name)} *fields)\n{\n${writes.join('')}}\n`,
  ].join('\n');
}

export function source({frames, endings, records, launch}) {
  return [
    HEAD,
    '#include "protocol.h"\n#include "../util.h"\n\n#include <stdio.h>\n#include <string.h>\n',
    `/* The next string as a number, -1 for an empty one. */
static bool number_or_none(struct frame *at, long min, long max, long *number)
{
	if (at->at < at->end && !*at->at) {
		*number = -1;
		return frame_string(at);
	}
	return frame_number(at, min, max, number);
}

/* Whether all that is left is numbers. */
static bool are_numbers(struct frame at, long min, long max)
{
	long number;

	while (at.at < at.end)
		if (!frame_number(&at, min, max, &number))
			return false;
	return true;
}

static void add_number_or_none(struct message *message, long number)
{
	if (number < 0)
		message_add(message, "");
	else
		message_add_number(message, number);
}

static void add_octal(struct message *message, unsigned mode)
{
	char text[16];

	snprintf(text, sizeof text, "%04o", mode);
	message_add(message, text);
}
`,
    endingReader(endings),
    ...records.map(recordBodies),
    ...frames.filter(isRead).map(readerBody),
    ...frames.filter(isWritten).map(writerBody),
    keysValid(launch),
  ].join('\n');
}
