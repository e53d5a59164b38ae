import {payloadAttacks} from './from-payload.js';

payloadAttacks('user');
