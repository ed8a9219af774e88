/** Bodies of requests: JSON of a bounded size, each member in its form; what is wrong is named and never repeated. */
import type { z } from 'zod'
import { type FacadeCode, FacadeRefusal } from './refusal.ts'

const KiB = 1024
export const smallBody = 256 * KiB
/** With files, whose bytes are a third longer there. */
export const promptBody = 36 * 1024 * KiB
export const answerBody = 512 * KiB

/** An empty body is an empty object. `code`: of what is not in its form. */
export async function readBody<Schema extends z.ZodType>(
  request: Request,
  { maxBytes, schema, code }: { maxBytes: number; schema: Schema; code: FacadeCode },
): Promise<z.output<Schema>> {
  const text = await textOf(request, maxBytes)
  const parsed = schema.safeParse(text === '' ? {} : jsonOf(text, code))
  if (parsed.success) return parsed.data
  throw new FacadeRefusal(code, sentenceOf(parsed.error))
}

export const tooLarge = (maxBytes: number) =>
  new FacadeRefusal('KILO_BODY_TOO_LARGE', `The body is larger than ${maxBytes / KiB} KiB.`)

async function textOf(request: Request, maxBytes: number): Promise<string> {
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge(maxBytes)
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > maxBytes) throw tooLarge(maxBytes)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function jsonOf(text: string, code: FacadeCode): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) throw new FacadeRefusal(code, 'The body is not valid JSON.')
    throw error
  }
}

function sentenceOf({ issues: [issue] }: z.ZodError): string {
  const path = issue?.path.map(String) ?? []
  if (issue?.code !== 'unrecognized_keys') return `${path.join('.') || 'body'}: ${issue?.message ?? 'is not valid'}.`
  return `${[...path, issue.keys[0]?.slice(0, 100) ?? ''].join('.')}: is not supported here.`
}
