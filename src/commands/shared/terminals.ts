/** Where the kernel has terminals: proc_pid_fd(5) names what is open so. */
export const TERMINAL = /^\/dev\/(?:pts\/\d+|tty\w*|console)$/;
