/** Every engine that builds small machines. */

import {conform} from './conform.js';

conform('vm-lite');
