// The policy as a program for the kernel (seccomp, classic BPF): what `bwrap --seccomp` loads. Pure.
// Shape: each refused call is a comparison and a return; a call with a condition reads its argument and ends there.
import {
  conditional,
  errno,
  forbidden,
  highestKnown,
  missing,
  type Numbers,
  namespaceFlags,
  netlink,
  type Processor,
  socketFamilies,
  typeIntoTerminal,
} from './policy.ts'

/** From <linux/audit.h>. A call made by the rules of another processor (32 bit on 64) has other numbers. */
export const auditArchitecture = { x64: 0xc000_003e, arm64: 0xc000_00b7 } as const satisfies Record<Processor, number>

/** Of the instructions of classic BPF, those that are needed here. */
export const code = { load: 0x20, jumpIfEqual: 0x15, jumpIfAbove: 0x25, jumpIfAnyBit: 0x45, return: 0x06 } as const

/** `yes` and `no` say how many instructions are skipped. */
type Instruction = { code: number; value: number; yes?: number; no?: number }

/** Offsets in `struct seccomp_data`; of an argument the lower half, on processors that store it first. */
const at = { number: 0, architecture: 4, argument: (index: number) => 16 + 8 * index }

export const allow = 0x7fff_0000
export const refuseWith = (code: number): number => 0x0005_0000 | code

const load = (offset: number): Instruction => ({ code: code.load, value: offset })
const end = (value: number): Instruction => ({ code: code.return, value })
const ifEqual = (value: number, ...then: Instruction[]): Instruction[] => [
  { code: code.jumpIfEqual, value, no: then.length },
  ...then,
]

export function seccompProgram(processor: Processor): Buffer {
  const numbered = (calls: Record<string, Numbers>) =>
    Object.values(calls).flatMap(({ [processor]: number }) => (number === null ? [] : [number]))
  const call = ({ [processor]: number }: Record<Processor, number>, ...then: Instruction[]) => ifEqual(number, ...then)
  return assemble([
    load(at.architecture),
    { code: code.jumpIfEqual, value: auditArchitecture[processor], yes: 1 },
    end(refuseWith(errno.ENOSYS)),
    load(at.number),
    { code: code.jumpIfAbove, value: highestKnown, no: 1 },
    end(refuseWith(errno.ENOSYS)),
    ...numbered(missing).flatMap((number) => ifEqual(number, end(refuseWith(errno.ENOSYS)))),
    ...numbered(forbidden).flatMap((number) => ifEqual(number, end(refuseWith(errno.EPERM)))),
    ...call(conditional.socket, ...socketFamily),
    ...call(conditional.socketpair, ...socketFamily),
    ...call(
      conditional.clone,
      load(at.argument(0)),
      { code: code.jumpIfAnyBit, value: namespaceFlags, no: 1 },
      end(refuseWith(errno.EPERM)),
      end(allow),
    ),
    ...call(
      conditional.ioctl,
      load(at.argument(1)),
      ...ifEqual(typeIntoTerminal, end(refuseWith(errno.EPERM))),
      end(allow),
    ),
    end(allow),
  ])
}

const socketFamily: Instruction[] = [
  load(at.argument(0)),
  ...Object.values(socketFamilies).flatMap((family) => ifEqual(family, end(allow))),
  ...ifEqual(netlink.family, load(at.argument(2)), ...ifEqual(netlink.route, end(allow))),
  end(refuseWith(errno.EAFNOSUPPORT)),
]

/** `struct sock_filter`: 16 bits of code, two skips of 8, a value of 32. */
function assemble(instructions: Instruction[]): Buffer {
  const bytes = Buffer.alloc(instructions.length * 8)
  for (const [index, { code, value, yes = 0, no = 0 }] of instructions.entries()) {
    bytes.writeUInt16LE(code, index * 8)
    bytes.writeUInt8(yes, index * 8 + 2)
    bytes.writeUInt8(no, index * 8 + 3)
    bytes.writeUInt32LE(value, index * 8 + 4)
  }
  return bytes
}

/** Null for a processor that the policy has no numbers for. */
export function processorHere(arch: string = process.arch): Processor | null {
  return arch === 'x64' || arch === 'arm64' ? arch : null
}
