/** Reads Compute Accounting Records as APEL 2.5.0 does (db/loader/car_parser.py), with a strict XML parser. */

import {SaxesParser, type SaxesAttributeNS} from 'saxes';

const NAMESPACE = 'http://eu-emi.eu/namespaces/2012/11/computerecord';

export interface CarElement {
  name: string;
  namespace: string;
  attributes: ReadonlyMap<string, string>;
  text: string;
  children: CarElement[];
}

/** @throws Error when it is not well-formed */
export function parseXml(text: string): CarElement {
  const parser = new SaxesParser({xmlns: true});
  const top: CarElement = {name: '', namespace: '', attributes: new Map(), text: '', children: []};
  const open = [top];
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({local, uri, attributes}) => {
    // attributes that are not in the namespace are not seen
    const own = Object.values(attributes as Record<string, SaxesAttributeNS>).filter((each) => each.uri === NAMESPACE);
    const element: CarElement = {
      name: local,
      namespace: uri,
      attributes: new Map(own.map((each) => [each.local, each.value])),
      text: '',
      children: [],
    };
    open.at(-1)?.children.push(element);
    open.push(element);
  });
  parser.on('text', (more) => {
    const element = open.at(-1);
    if (element !== undefined) element.text += more;
  });
  parser.on('closetag', () => open.pop());
  parser.write(text).close();
  const [root] = top.children;
  if (root === undefined) throw new Error('no element');
  return root;
}

export function* elements(root: CarElement): Generator<CarElement> {
  yield root;
  for (const child of root.children) yield* elements(child);
}

/** The fields of each record by APEL's names. */
export function carFields(text: string): ReadonlyMap<string, string>[] | {error: string} {
  let root: CarElement;
  try {
    root = parseXml(text);
  } catch (error) {
    return {error: (error as Error).message};
  }
  if (root.namespace !== NAMESPACE) return {error: 'XML format not recognised.'};
  return [...elements(root)].filter(({name}) => name === 'UsageRecord').map(fieldsOf);
}

/** These fields as a message of jobs: APEL holds those of both formats to the same rules. */
export const asMessage = (records: readonly ReadonlyMap<string, string>[]): string =>
  `APEL-individual-job-message: v0.3\n${records.map((fields) => [...fields].map(([name, value]) => `${name}: ${value}\n`).join('')).join('%%\n')}`;

function fieldsOf(record: CarElement): ReadonlyMap<string, string> {
  const all = [...elements(record)];
  const named = (name: string, attribute?: [string, string]): CarElement | undefined =>
    all.find((each) => each.name === name && (attribute === undefined || each.attributes.get(attribute[0]) === attribute[1]));
  const fields = new Map<string, string>();
  const set = (field: string, value: string | undefined | null): void => {
    if (value !== undefined && value !== null) fields.set(field, value);
  };
  for (const name of [
    'Site',
    'SubmitHost',
    'MachineName',
    'Queue',
    'LocalJobId',
    'LocalUserId',
    'GlobalUserName',
    'Processors',
    'NodeCount',
  ])
    set(name, named(name)?.text);
  set('FQAN', named('GroupAttribute', ['type', 'FQAN'])?.text);
  set('VO', named('Group')?.text);
  set('VOGroup', named('GroupAttribute', ['type', 'group'])?.text);
  set('VORole', named('GroupAttribute', ['type', 'role'])?.text);
  set('WallDuration', seconds(named('WallDuration')?.text));
  set('CpuDuration', seconds((named('CpuDuration', ['usageType', 'all']) ?? named('CpuDuration'))?.text));
  for (const name of ['StartTime', 'EndTime']) {
    const time = Date.parse(named(name)?.text ?? '');
    if (!Number.isNaN(time)) set(name, String(Math.floor(time / 1000)));
  }
  set('InfrastructureType', named('Infrastructure')?.attributes.get('type'));
  set('InfrastructureDescription', named('Infrastructure')?.attributes.get('description'));
  set('ServiceLevelType', named('ServiceLevel')?.attributes.get('type'));
  set('ServiceLevel', named('ServiceLevel')?.text);
  return fields;
}

function seconds(duration: string | undefined): string | null {
  const parts = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:[.,]\d+)?)S)?)?$/.exec(duration ?? '');
  if (parts === null) return null;
  const [days = 0, hours = 0, minutes = 0, rest = 0] = parts
    .slice(1)
    .map((part: string | undefined) => Number((part ?? '0').replace(',', '.')));
  return String(Math.round(days * 86_400 + hours * 3600 + minutes * 60 + rest));
}
