/** How the front is to end (`Q` and `O` frames); `over`: as a brain before has said. */
export type Quit = ['status', number] | ['code', number] | ['signal', number] | ['over'];
