/** How the front is to end (`Q` frame). */
export type Quit = ['status', number] | ['code', number] | ['signal', number];
