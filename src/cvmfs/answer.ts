/** What the tool that looks at a repository says (native/README.md, Tools), as plain data. Pure. */

/** What a look at one repository found. null: the look did not come that far; times in µs. */
export interface Answer {
  /** When the look was begun; null: it was not looked at. */
  epochUs: number | null;
  /** Time that it took. */
  us: number | null;
  /** The last thing that was begun. */
  step: string | null;
  /** Whether the directory that holds all repositories is there. */
  root: boolean | null;
  /** Whether an automounter serves it. */
  automount: boolean | null;
  /** Type of what was mounted before the look; empty: nothing. */
  before: string | null;
  /** Type of what is mounted since it was opened; empty: nothing. */
  mounted: string | null;
  entries: boolean | null;
  errno: number | null;
  error: string | null;
  /** There was no answer in time. */
  late: boolean;
  done: boolean;
  /** The answer of a look that another job had asked for. */
  shared: boolean;
  /** Whether the client cannot reach its servers; null: it does not tell. */
  offline: boolean | null;
  /** What the client tells of itself, without `user.`. */
  attributes: Readonly<Record<string, string>>;
}

/** Parses an answer; fields that cannot be understood are not known. */
export function readAnswer(text: string): Answer {
  const values = new Map<string, string>();
  const attributes: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const tab = line.indexOf('\t');
    if (tab < 0) continue;
    const [key, value] = [line.slice(0, tab), line.slice(tab + 1)];
    if (key.startsWith('user.')) attributes[key.slice('user.'.length)] = value;
    else values.set(key, value);
  }
  const flag = (key: string): boolean | null => {
    const value = values.get(key);
    return value === undefined ? null : value === 'yes';
  };
  return {
    epochUs: wholeNumber(values.get('epoch')),
    us: wholeNumber(values.get('us')),
    step: values.get('step') ?? null,
    root: flag('root'),
    automount: flag('automount'),
    before: values.get('before') ?? null,
    mounted: values.get('mounted') ?? null,
    entries: flag('entries'),
    errno: wholeNumber(values.get('errno')),
    error: values.get('error') ?? null,
    late: flag('late') === true,
    done: flag('done') === true,
    shared: flag('shared') === true,
    offline: flag('offline'),
    attributes,
  };
}

/** A number of a client's text; null: it is not a number. */
export function wholeNumber(text: string | undefined): number | null {
  const value = text === undefined || !/^\d{1,16}$/.test(text.trim()) ? NaN : Number(text);
  return Number.isSafeInteger(value) ? value : null;
}
