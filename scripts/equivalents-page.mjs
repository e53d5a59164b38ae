// Tables of docs/reference/equivalents.md, from the rows of src/equivalent/table.ts.
import {ASPECTS, COMMON} from '../src/equivalent/answers.js';
import {TOOLS, TOOL_NAMES} from '../src/equivalent/table.js';
import {LIMIT_NAMES} from '../src/job/job.js';

const WORDS = {same: 'yes', differs: 'in part', missing: 'no'};

/** What of a plan each tool has an answer to: its name in the table, and where the answer is. */
const PARTS = [
  ...LIMIT_NAMES.map((name) => [`limit \`${name}\``, ({limits}) => limits[name]]),
  ...Object.entries(ASPECTS).map(([aspect, title]) => [title, ({aspects}) => aspects[aspect]]),
];

const quoted = (by) => (by === '' ? '' : by.replaceAll('<', '\\<'));

/** @returns head and rows of a table: `all`, or the name of a tool, whose table leaves out what it does as Tare does, and what no tool does */
export function equivalentTable(what) {
  if (what === 'all') {
    const rows = PARTS.map(([title, answer]) => [title, ...TOOL_NAMES.map((name) => WORDS[answer(TOOLS[name]).how])]);
    return {head: ['of Tare', ...TOOL_NAMES.map((name) => `\`${name}\``)], rows};
  }
  const tool = TOOLS[what];
  if (tool === undefined) return undefined;
  const rows = PARTS.flatMap(([title, answer]) => {
    const {how, by, text} = answer(tool);
    const isCommon = Object.values(COMMON).some((common) => common === answer(tool));
    return how === 'same' || isCommon ? [] : [[title, WORDS[how], quoted(by), quoted(text)]];
  });
  return {head: ['of Tare', 'has it', 'by', 'weaker or different'], rows};
}

/** Rows of what all tools answer alike. */
export const commonTable = () => ({
  head: ['of Tare', 'every tool'],
  rows: Object.entries(COMMON).map(([aspect, {text}]) => [ASPECTS[aspect], quoted(text)]),
});
