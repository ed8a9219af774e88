import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  conditional,
  errno,
  forbidden,
  highestKnown,
  missing,
  type Numbers,
  type Processor,
  socketFamilies,
} from './policy.ts'
import { allowed, dockerProfile } from './profile.ts'
import { allow, auditArchitecture, code, refuseWith, seccompProgram } from './program.ts'

type Call = { number: number; args?: number[]; upper?: number; architecture?: number }

/** What the kernel does with the program, for the instructions that it has. */
function run(program: Buffer, { number, args = [], upper = 0, architecture = 0 }: Call): number {
  const data = Buffer.alloc(64)
  data.writeUInt32LE(number, 0)
  data.writeUInt32LE(architecture, 4)
  for (const [index, value] of args.entries()) {
    data.writeUInt32LE(value, 16 + 8 * index)
    data.writeUInt32LE(upper, 20 + 8 * index)
  }
  let loaded = 0
  for (let at = 0; at < program.length; at += 8) {
    const [yes, no, value] = [program.readUInt8(at + 2), program.readUInt8(at + 3), program.readUInt32LE(at + 4)]
    const skip = (condition: boolean) => {
      at += 8 * (condition ? yes : no)
    }
    switch (program.readUInt16LE(at)) {
      case code.load:
        loaded = data.readUInt32LE(value)
        break
      case code.jumpIfEqual:
        skip(loaded === value)
        break
      case code.jumpIfAbove:
        skip(loaded > value)
        break
      case code.jumpIfAnyBit:
        skip((loaded & value) !== 0)
        break
      case code.return:
        return value
    }
  }
  throw new Error('The program has no end.')
}

describe.each(['x64', 'arm64'] as const)('the filter for %s', (processor) => {
  const program = seccompProgram(processor)
  const answer = (call: Call) => run(program, { architecture: auditArchitecture[processor], ...call })
  const numbersOf = (calls: Record<string, Numbers>) => Object.values(calls).map((numbers) => numbers[processor])
  const numbered = (calls: Record<string, Numbers>) => numbersOf(calls).filter((number) => number !== null)
  const never = new Set([...numbered(forbidden), ...numbered(missing)])
  const sometimes = new Set(numbered(conditional))
  const numberOf = ({ [processor]: number }: Record<Processor, number>) => number

  test('refuses what is forbidden, whatever its arguments', () => {
    const args = fc.array(fc.nat(0xffff_ffff), { maxLength: 6 })
    fc.assert(
      fc.property(fc.constantFrom(...never), args, (number, args) => {
        expect([refuseWith(errno.EPERM), refuseWith(errno.ENOSYS)]).toContain(answer({ number, args }))
      }),
    )
  })

  test('says of what has a substitute that the kernel does not have it', () => {
    for (const number of numbered(missing)) expect(answer({ number })).toBe(refuseWith(errno.ENOSYS))
  })

  test('lets everything else pass', () => {
    for (let number = 0; number <= highestKnown; number++) {
      if (!never.has(number) && !sometimes.has(number)) expect(answer({ number }), `${number}`).toBe(allow)
    }
  })

  test('does not know what is younger, or called by the rules of another processor', () => {
    // 2 ** 30 is the bit of x32.
    for (const number of [highestKnown + 1, 500, 2 ** 30, 2 ** 30 + 59, 2 ** 32 - 1]) {
      expect(answer({ number })).toBe(refuseWith(errno.ENOSYS))
    }
    for (const architecture of [0x4000_0003, 0x4000_0028, 0]) {
      expect(answer({ number: 0, architecture })).toBe(refuseWith(errno.ENOSYS))
    }
  })

  test('knows sockets of the families of a network namespace, and what lists its interfaces', () => {
    const socket = (family: number, protocol = 0) =>
      answer({ number: numberOf(conditional.socket), args: [family, 1, protocol] })
    for (let family = 0; family < 64; family++) {
      const known = Object.values<number>(socketFamilies).includes(family) || family === 16
      expect(socket(family), `${family}`).toBe(known ? allow : refuseWith(errno.EAFNOSUPPORT))
    }
    expect(socket(16, 16)).toBe(refuseWith(errno.EAFNOSUPPORT))
    expect(socket(2, 6)).toBe(allow)
  })

  test('lets programs make processes and threads, and no namespace', () => {
    const clone = (flags: number) => answer({ number: numberOf(conditional.clone), args: [flags] })
    const [child, thread] = [0x0120_0011, 0x003d_0f00]
    expect([clone(child), clone(thread)]).toEqual([allow, allow])
    for (const flag of [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000]) {
      expect(clone(child | flag)).toBe(refuseWith(errno.EPERM))
    }
  })

  test('lets nobody type into a terminal, not even with rubbish in the half that the kernel does not read', () => {
    const ioctl = (request: number, upper = 0) =>
      answer({ number: numberOf(conditional.ioctl), args: [1, request], upper })
    expect(ioctl(0x5413)).toBe(allow)
    expect(ioctl(0x5412)).toBe(refuseWith(errno.EPERM))
    expect(ioctl(0x5412, 0xdead_beef)).toBe(refuseWith(errno.EPERM))
  })
})

describe("Docker's form of it", () => {
  test('allows nothing that is refused', () => {
    const refused = [forbidden, missing, conditional].flatMap(Object.keys)
    expect(allowed.filter((name) => refused.includes(name))).toEqual([])
    expect(new Set(allowed).size).toBe(allowed.length)
    expect(JSON.parse(dockerProfile())).toMatchObject({ defaultAction: 'SCMP_ACT_ERRNO' })
  })
})

const headers = { x64: '/usr/include/x86_64-linux-gnu/asm/unistd_64.h', arm64: '/usr/include/asm-generic/unistd.h' }
describe.each(['x64', 'arm64'] as const)('the numbers for %s', (processor) => {
  test.skipIf(!existsSync(headers[processor]))('are those of the headers of Linux', () => {
    const defined = readFileSync(headers[processor], 'utf8').matchAll(/^#define __NR(?:3264)?_(\w+)\s+(\d+)$/gm)
    const numbers = new Map([...defined].map(([, name = '', number]) => [name, Number(number)]))
    const known: [string, Numbers][] = [forbidden, missing, conditional].flatMap((calls) => Object.entries(calls))
    expect(known.filter(([name, { [processor]: number }]) => number !== (numbers.get(name) ?? null))).toEqual([])
    const unknown = [...numbers.keys()].filter((name) => !allowed.includes(name) && !known.some(([it]) => it === name))
    if (processor === 'x64') expect(unknown.filter((name) => !gone.includes(name))).toEqual([])
  })
})

/** Linux keeps their numbers and nothing behind them. */
const gone = (
  '_sysctl afs_syscall create_module epoll_ctl_old epoll_wait_old get_kernel_syms getpmsg putpmsg query_module ' +
  'security tuxcall vserver'
).split(' ')
