// The tables of docs/reference/protocol.md, as rows of cells.

const code = (value) => `\`${value}\``;
const capital = (name) => name[0].toUpperCase() + name.slice(1);

const KINDS = {
  status: 'raw wait status of a process that has ended',
  counted: 'how many, then as many strings',
  rest: 'strings to the end',
  ending: 'see [Ending](#ending)',
  path: 'path, not empty',
  absolute: 'absolute path',
  ids: 'numbers with commas',
  amount: 'number, or `unlimited`',
  hex: 'hexadecimal number',
  name: 'name of a variable',
};

/** What stands there, in a few words. */
function kindOf(field) {
  const {type, range, words, record, group} = field;
  if (record !== undefined) return `see [${capital(record)}](#${record})`;
  if (group !== undefined) return field.fields.map((each) => `${code(each.name)}, ${kindOf(each)}`).join('; ');
  if (type === 'numbers') return `numbers from ${range[0]} to ${range[1]}, one string each, to the end`;
  if (range !== undefined) return range[1] > 2 ** 30 ? words : `${words}, ${range[0]} to ${range[1]}`;
  if (type === 'word') return words === undefined ? 'word' : `one of ${words.map(code).join(', ')}`;
  return type === 'flag' ? `${code(field.word)} or nothing` : (KINDS[type] ?? type);
}

const aboutOf = ({meaning, empty}) => [meaning, empty === undefined ? undefined : `empty: ${empty}`].filter(Boolean).join('; ');

function fieldText(field) {
  const about = aboutOf(field);
  const text = `${code(field.name)} (${kindOf(field)})${about === '' ? '' : `: ${about}`}`;
  return field.optional === undefined ? text : `[${text}; only ${field.optional}]`;
}

const fieldsText = (fields) => fields.map(fieldText).join('.<br>');

function linkRows({name, frames}, links) {
  return frames.map((frame) => {
    const [first] = frame.links;
    const head = [code(frame.name), code(frame.tag)];
    if (first === name) return [...head, fieldsText(frame.fields), frame.when, frame.since];
    const {title} = links.find((each) => each.name === first);
    return [...head, frame.fields.map((field) => code(field.name)).join(', '), `as ${title}`, frame.since];
  });
}

/** The rest of a key's string, as it is written. */
function shapeOf({value, prefix = '', separator = ' '}) {
  const words = value.map(({name, optional}, at) => {
    const text = `${name.toUpperCase()}${at === value.length - 1 ? '' : separator}`;
    return optional ? `[${text}]` : text;
  });
  return prefix + words.join('') === '' ? '' : code(prefix + words.join(''));
}

const valuesText = ({value}) => value.map((each) => `${each.name.toUpperCase()}: ${kindOf(each)}`).join('; ');

/** @returns head and rows; undefined: there is no such table */
export function protocolTable(what, {links, endings, records, launch, specification}) {
  const link = links.find(({name}) => name === what);
  if (link !== undefined) return {head: ['frame', 'tag', 'strings', 'when', 'since'], rows: linkRows(link, links)};
  const record = records.find(({name}) => name === what);
  if (record !== undefined)
    return {
      head: ['field', 'type', 'meaning'],
      rows: record.fields.map((field) => [code(field.name), kindOf(field), aboutOf(field)]),
    };
  if (what === 'ending')
    return {
      head: ['first string', 'second string'],
      rows: endings.map((ending) => [code(ending.name), ending.type === undefined ? `none: ${ending.meaning}` : kindOf(ending)]),
    };
  if (what === 'launch')
    return {
      head: ['key', 'name', 'rest of the string', 'often', 'where', 'meaning'],
      rows: launch.map((row) => [
        code(row.key),
        code(row.name),
        [shapeOf(row), valuesText(row)].filter(Boolean).join('; '),
        row.repeats ? 'yes' : 'no',
        row.parts.join(', '),
        row.meaning,
      ]),
    };
  if (what === 'specification')
    return {
      head: ['key', 'name', 'rest of the string', 'meaning'],
      rows: specification.map((row) => [
        code(row.key),
        code(row.name),
        shapeOf(row),
        launch.includes(row) ? 'as of a launch' : [row.meaning, valuesText(row)].filter(Boolean).join('; '),
      ]),
    };
  return undefined;
}
