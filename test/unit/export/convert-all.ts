/** Run by itself: what every exporter makes of one job, as JSON. Its zone and language are its environment’s. */

import {canonicalJson} from '../../../src/plan/canonical.js';
import {allExporters, convertWith} from './exporters.js';
import {measured, view} from '../../support/records.js';

const record = measured();
const source = {record: view(record), text: canonicalJson(record)};
const made = Object.entries(await allExporters('/nowhere')).map(([name, exporter]) => [name, convertWith(exporter, source).text]);
process.stdout.write(JSON.stringify(Object.fromEntries(made)));
