/** A plan as the text of a tool: what it is told, and before that, in comments, where it is weaker than Tare or different. */

import {harmlessJson} from '../errors.js';
import {LIMIT_NAMES} from '../job/job.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {ABOUT, ASPECTS, type Aspect, type Answer, type Note, type Tool} from './answers.js';
import {commonNotes} from './common.js';
import {outlineOf, type Outline, type Surroundings} from './outline.js';
import {oneLine, xmlComment, xmlPart} from './quote.js';
import {TOOLS, type ToolName} from './table.js';

/** What every plan has of these, whatever its steps. */
const ALWAYS: readonly Aspect[] = ['payload', 'status', 'record'];

/** What of a plan a tool does not do, or does otherwise: each with the step or limit that it is about. */
function notesFor(tool: Tool, plan: Plan, outline: Outline): Note[] {
  const holds = ({how, when}: Answer): boolean => how !== 'same' && (when === undefined || when(outline));
  const limits = LIMIT_NAMES.filter((name) => outline.limits[name] !== null && holds(tool.limits[name])).map((name) => ({
    about: `limit ${name}`,
    text: wordsOf(tool.limits[name]),
  }));
  const ops = [...new Set(plan.steps.map(({op}) => op))];
  const aspects = (Object.keys(ASPECTS) as Aspect[]).flatMap((aspect) => {
    const own = ops.filter((op) => ABOUT[op].includes(aspect));
    const isPresent = own.length > 0 || ALWAYS.includes(aspect) || (aspect === 'landlock' && typeof plan.landlock?.abi === 'number');
    if (!isPresent || !holds(tool.aspects[aspect])) return [];
    return [{about: own.length === 0 || ALWAYS.includes(aspect) ? ASPECTS[aspect] : own.join(', '), text: wordsOf(tool.aspects[aspect])}];
  });
  return [...limits, ...aspects];
}

const wordsOf = ({how, by, text}: Answer): string => (how === 'missing' || by === '' ? text : `${by}: ${text}`);

/**
 * The text of a tool, without a line end after it. Comments are comments of its format; JSON has none, and has annotations instead.
 * @param surroundings what the text depends on beside the plan
 */
export function renderEquivalent(name: ToolName, plan: Plan, surroundings: Surroundings): string {
  const tool = TOOLS[name];
  const outline = outlineOf(plan, surroundings);
  const {use, body, notes} = tool.express(outline);
  const all = [...commonNotes(outline), ...notesFor(tool, plan, outline), ...notes].map(({about, text}) => `${about}: ${oneLine(text)}`);
  const title = `What \`tare run\` would do, for ${tool.title}: as near as it comes.`;
  switch (body.kind) {
    case 'json':
      return harmlessJson(JSON.stringify({...body.value, annotations: annotations(title, use, all)}, null, 2));
    case 'xml':
      return `<!--\n${xmlLines([title, ...use, '', 'Weaker or different:', ...all])}\n-->\n${body.text}`;
    case 'lines':
      return `${[title, ...use.map(commentOf), 'Weaker or different:', ...all].map((line) => `# ${line}`.trimEnd()).join('\n')}\n${body.text}`;
  }
}

function xmlLines(lines: readonly string[]): string {
  const written = lines.map((line) => xmlComment(xmlPart(oneLine(line))));
  const isChanged = lines.some((line) => line.includes('--'));
  return [...written, ...(isChanged ? ['(A comment of XML holds no two hyphens: there is a space between them here.)'] : [])].join('\n');
}

const commentOf = (line: string): string => `  ${oneLine(line)}`;

/** Keys that are sorted as the notes are. */
function annotations(title: string, use: readonly string[], notes: readonly string[]): Record<string, string> {
  const numbered = notes.map((note, index) => [`tare.note.${String(index + 1).padStart(2, '0')}`, note] as const);
  return Object.fromEntries([['tare.about', title] as const, ['tare.use', use.join('; ')] as const, ...numbered]);
}
