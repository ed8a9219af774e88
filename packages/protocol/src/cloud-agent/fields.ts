/**
 * The single members that inputs are made of, each with its limit; a refusal names the limit. Characters are UTF-16 units,
 * as JavaScript counts them. Source: 30-cloud-agent-api §5.
 */
import { z } from 'zod'
import { limits } from '../limits.ts'

type Range = { min?: number; max: number }

const tooLong = (max: number) => `must have at most ${max} characters`
const tooMany = (max: number, what: string) => `must have at most ${max} ${what}`

/** `max` of a schema counts code points, which never are more than units; what has too many units is refused after it. */
const short = (min: number, max: number) =>
  z
    .string()
    .min(min, `must have at least ${min} characters`)
    .max(max, { error: tooLong(max), abort: true })
    .refine((value) => value.length <= max, tooLong(max))

/** Free text. PostgreSQL takes no U+0000 and, in JSON, no half of a surrogate pair: both become U+FFFD. */
export const text = ({ min = 1, max }: Range) =>
  short(min, max).overwrite((value) => value.toWellFormed().replaceAll('\0', '\uFFFD'))

/** Text of a given form; the message says which. */
export const formed = (pattern: RegExp, message: string, { min = 1, max }: Range) =>
  short(min, max).regex(pattern, message)

export const list = <Item extends z.ZodType>(item: Item, max: number) => z.array(item).max(max, tooMany(max, 'items'))

export const table = <Key extends z.core.$ZodRecordKey, Value extends z.ZodType>(key: Key, value: Value, max: number) =>
  z
    .record(key, value)
    .refine((members) => Object.keys(members).length <= max, tooMany(max, 'members'))
    .meta({ maxProperties: max })

export const wholeNumber = (min: number, max: number) => {
  const message = `must be a whole number from ${min} to ${max}`
  return z.number().int(message).min(min, message).max(max, message)
}

export const prompt = text({ max: limits.promptCharacters })
export const mode = formed(
  /^[a-z][a-z0-9-]*$/,
  'must begin with a lower-case letter and hold lower-case letters, digits and dashes',
  { max: 50 },
)
export const model = formed(/^[A-Za-z0-9._\-/:]+$/, 'may hold letters, digits and . _ - / :', { max: 255 })
export const variant = text({ max: 50 })
export const systemPrompt = text({ min: 0, max: 10_000 })
export const clientId = formed(/^[\x21-\x7e]+$/, 'may hold printable characters of ASCII, without spaces', {
  max: 128,
})
export const organizationId = text({ max: 100 })
export const agentKind = text({ max: 50 })
export const gitUrl = text({ max: 2048 })
export const token = formed(/^[\x21-\x7e]+$/, 'may hold printable characters of ASCII, without spaces', { max: 1024 })
export const cursor = text({ max: 200 })

/** The rules of `git check-ref-format --branch`, as far as its allowed characters leave them open. */
export const branch = formed(/^[A-Za-z0-9._\-/]+$/, 'may hold letters, digits and . _ - /', { max: 255 }).refine(
  (name) =>
    !name.startsWith('-') &&
    !name.includes('..') &&
    name
      .split('/')
      .every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock') && !part.endsWith('.')),
  'is not a valid branch name for git',
)

const headerToken = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/
/** HTTP headers that a caller wants sent with a request of ours. */
export const headers = table(
  formed(headerToken, 'must be a valid header name', { max: 256 }),
  z
    .string()
    .refine((value) => new TextEncoder().encode(value).length <= 4096, 'must have at most 4096 bytes')
    // What HTTP cannot carry: control characters, and what has no place in Latin-1.
    .regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'must hold no control character and nothing outside Latin-1'),
  20,
)

/** An address that is connected to later; whether it may be is the outbound policy's. */
export const httpUrl = short(0, 2048)
  .refine((value) => /^https?:\/\//i.test(value) && URL.canParse(value), 'must be an http or https URL')
  .refine((value) => {
    const url = URL.canParse(value) ? new URL(value) : null
    return url === null || (url.username === '' && url.password === '')
  }, 'must not carry a user or a password')

/** Not a variable of the session's own: these say where it lives, and how it gets out. */
const reservedVariables = /^(HOME|SESSION_ID|SESSION_HOME|CORRAL_.*|(https?|all|no|ftp)_proxy)$/i
export const variableName = formed(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be a valid variable name', { max: 256 }).refine(
  (name) => !reservedVariables.test(name),
  'is reserved',
)
