/** Suites of tests that run the wrapper, one for each role. */

import {expect} from 'chai';
import type {Suite} from 'mocha';
import {ROLES, Site, type Role} from './tare.js';

export interface SiteOptions {
  /** By default those that this test run can play. */
  roles?: readonly Role[];
  /** Each test has a site of its own; else those of a suite share one. */
  each?: boolean;
  /** Tests may leave something of a job; else that fails after each test. */
  mayLeave?: boolean;
  /** Where the site's directory is made, as for Site. */
  parent?: string;
  /** Of tests and hooks, in ms. */
  timeout?: number;
}

/**
 * A suite for each role, with a site that is removed after the hooks of `body`.
 * @param title with `%s` for the role
 */
export function describeSite(
  title: string,
  {roles = ROLES, each = false, mayLeave = false, parent, timeout}: SiteOptions,
  body: (this: Suite, site: Site, role: Role) => void,
): void {
  for (const role of roles)
    describe(title.replace('%s', role), function () {
      if (timeout !== undefined) this.timeout(timeout);
      const site = new Site(role, parent);
      body.call(this, site, role);
      if (!mayLeave)
        afterEach(() => {
          expect(site.leftovers()).to.deep.equal([]);
        });
      (each ? afterEach : after)(() => {
        site.remove();
      });
    });
}
