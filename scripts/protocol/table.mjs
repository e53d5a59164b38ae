// The table of the protocol (src/schema/protocol.json), read and checked: a name, a tag or a key that stands for two things is an error.
import {readFileSync} from 'node:fs';

const file = new URL('../../src/schema/protocol.json', import.meta.url);

/** A field whose value is one word on the wire, with its range where it is a number. */
const opened = (field, {types, records, groups}) => ({
  ...field,
  ...(types[field.type] === undefined ? {} : {range: types[field.type].number, words: types[field.type].words}),
  ...(field.of === undefined ? {} : {range: types[field.of].number}),
  ...(field.record === undefined ? {} : {fields: records[field.record].map((each) => opened(each, {types, records, groups}))}),
  ...(field.group === undefined ? {} : {fields: groups[field.group].map((each) => opened(each, {types, records, groups}))}),
});

function unique(what, rows, key) {
  const names = rows.map((row) => row[key]);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new Error(`src/schema/protocol.json: ${what} ${twice} is there twice`);
}

export function readTable() {
  const table = JSON.parse(readFileSync(file, 'utf8'));
  const keysOf = (rows) => rows.map((row) => ({...row, value: row.value.map((each) => opened(each, table))}));
  const launch = keysOf(table.launch);
  const shared = table.specification.asOfLaunch.map((name) => {
    const row = launch.find((each) => each.name === name);
    if (row === undefined) throw new Error(`src/schema/protocol.json: the launch has no key ${name}`);
    return row;
  });
  const frames = table.frames.map((frame) => ({
    since: table.since,
    ...frame,
    fields: frame.fields.map((field) => opened(field, table)),
  }));
  const links = Object.entries(table.links).map(([name, {title}]) => ({
    name,
    title,
    frames: frames.filter((frame) => frame.links.includes(name)),
  }));
  const endings = Object.entries(table.endings).map(([name, ending]) => ({name, ...opened(ending, table)}));
  const specification = [...keysOf(table.specification.own), ...shared];
  unique('the frame', frames, 'name');
  for (const {title, frames: all} of links) unique(`from ${title} the tag`, all, 'tag');
  for (const keys of [launch, specification]) for (const column of ['key', 'name']) unique('the key', keys, column);
  const records = Object.entries(table.records).map(([name, fields]) => ({name, fields: fields.map((field) => opened(field, table))}));
  return {frames, links, endings, records, launch, specification};
}

/** The parts of a launch frame that have keys of their own. */
export const PARTS = ['box', 'common', 'payload', 'application', 'replace'];
