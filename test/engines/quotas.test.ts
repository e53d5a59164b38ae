/** Every engine that builds boxes for several applications. */

import {conform} from './conform.js';

conform('quotas++');
