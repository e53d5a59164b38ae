/** Every engine that builds boxes for one payload. */

import {conform} from './conform.js';

conform('ulimit++');
