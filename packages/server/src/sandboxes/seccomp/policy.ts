// Which system calls the kernel refuses to everything in a sandbox, under every driver: those that namespaces do not
// cover, those that make namespaces and mounts, and those where most of the kernel's privilege bugs were. What one
// process of a sandbox may do to another (ptrace, its memory) is not among them: a sandbox is one trust domain.
// Invariant: what is not known here is refused, too, so a newer kernel opens nothing.

export const errno = { EPERM: 1, ENOSYS: 38, EAFNOSUPPORT: 97 } as const

/** Linux numbers its system calls anew for each processor; `null` where it has none of that name. */
export type Numbers = { x64: number; arm64: number | null }
export type Processor = keyof Numbers

const both = (number: number): Numbers => ({ x64: number, arm64: number })
const on = (x64: number, arm64: number | null = null): Numbers => ({ x64, arm64 })

/** Programs have another way when these are not there: the argument of `clone3` lies in memory, where no filter reads. */
export const missing = {
  clone3: both(435),
  io_uring_setup: both(425),
  io_uring_enter: both(426),
  io_uring_register: both(427),
} satisfies Record<string, Numbers>

export const forbidden = {
  // The kernel's keys belong to a user and a login, whatever namespace asks.
  add_key: on(248, 217),
  request_key: on(249, 218),
  keyctl: on(250, 219),
  // Programs in the kernel, its counters, and page faults that somebody else answers.
  bpf: on(321, 280),
  perf_event_open: on(298, 241),
  userfaultfd: on(323, 282),
  // Namespaces and mounts.
  unshare: on(272, 97),
  setns: on(308, 268),
  mount: on(165, 40),
  umount2: on(166, 39),
  pivot_root: on(155, 41),
  chroot: on(161, 51),
  open_tree: both(428),
  move_mount: both(429),
  fsopen: both(430),
  fsconfig: both(431),
  fsmount: both(432),
  fspick: both(433),
  mount_setattr: both(442),
  // Files by a number instead of a path, which leads out of any mount; and who watches all of them.
  open_by_handle_at: on(304, 265),
  fanotify_init: on(300, 262),
  // The machine itself.
  init_module: on(175, 105),
  finit_module: on(313, 273),
  delete_module: on(176, 106),
  kexec_load: on(246, 104),
  kexec_file_load: on(320, 294),
  reboot: on(169, 142),
  swapon: on(167, 224),
  swapoff: on(168, 225),
  acct: on(163, 89),
  quotactl: on(179, 60),
  quotactl_fd: both(443),
  syslog: on(103, 116),
  settimeofday: on(164, 170),
  clock_settime: on(227, 112),
  clock_adjtime: on(305, 266),
  vhangup: on(153, 58),
  iopl: on(172),
  ioperm: on(173),
  modify_ldt: on(154),
  uselib: on(134),
  ustat: on(136),
  sysfs: on(139),
  lookup_dcookie: on(212, 18),
  nfsservctl: on(180, 42),
  // Which memory bank a program lives in.
  mbind: on(237, 235),
  get_mempolicy: on(239, 236),
  set_mempolicy: on(238, 237),
  set_mempolicy_home_node: both(450),
  migrate_pages: on(256, 238),
  move_pages: on(279, 239),
} satisfies Record<string, Numbers>

/** Allowed for some arguments alone. */
export const conditional = {
  socket: { x64: 41, arm64: 198 },
  socketpair: { x64: 53, arm64: 199 },
  clone: { x64: 56, arm64: 220 },
  ioctl: { x64: 16, arm64: 29 },
} satisfies Record<string, Numbers>

/** Above it, calls are younger than this list. */
export const highestKnown = 466

/**
 * A network namespace does not hold every family: AF_VSOCK speaks to the machine below this one, AF_ALG to the kernel.
 * Of netlink, what lists the network interfaces.
 */
export const socketFamilies = { unix: 1, inet: 2, inet6: 10 } as const
export const netlink = { family: 16, route: 0 } as const

/** `clone` with one of these makes a namespace. */
export const namespaceFlags = 0x7e02_0000

/** It types into the terminal that a program was started from. */
export const typeIntoTerminal = 0x5412
