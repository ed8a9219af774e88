/**
 * Counts tokens beside the stream, from what the upstream reports. Never changes or delays a byte; what is not reported
 * stays null and is not zero. (`stream_options.include_usage` is the client's to ask for: adding it would add chunks
 * that the client did not expect.)
 */
import { z } from 'zod'

export type Usage = {
  /** All of the prompt, cached or not. */
  promptTokens: number | null
  completionTokens: number | null
  /** What of the prompt was read from a cache. */
  cachedTokens: number | null
}

export type UsageMeter = { look(chunk: Buffer): void; usage(): Usage }

const count = z.number().int().nonnegative().nullish().catch(null)
const cached = z.object({ cached_tokens: count }).nullish().catch(null)

const reported = z.object({
  // Chat completions
  prompt_tokens: count,
  completion_tokens: count,
  prompt_tokens_details: cached,
  // Responses and messages
  input_tokens: count,
  output_tokens: count,
  input_tokens_details: cached,
  // Messages count cached tokens beside `input_tokens`, the others within.
  cache_read_input_tokens: count,
  cache_creation_input_tokens: count,
})

const carrier = z
  .object({ usage: reported.nullish().catch(null) })
  .nullish()
  .catch(null)
/** The answer itself, `message_start` of messages, `response.completed` of responses. */
const report = z.object({ usage: reported.nullish().catch(null), message: carrier, response: carrier })

/** A line or an answer that is longer is passed on all the same, but not looked into. */
const maxLookBytes = 8 * 1024 * 1024

export function createUsageMeter(contentType: string | undefined): UsageMeter {
  const streamed = contentType?.startsWith('text/event-stream') ?? false
  const counted: Usage = { promptTokens: null, completionTokens: null, cachedTokens: null }
  let pending: Buffer[] = []
  let pendingBytes = 0

  function take(bytes: Buffer): void {
    if (bytes.length === 0) return
    pendingBytes += bytes.length
    if (pendingBytes <= maxLookBytes) pending.push(bytes)
    else pending = []
  }

  function flush(): void {
    const text = Buffer.concat(pending).toString('utf8')
    pending = []
    pendingBytes = 0
    const json = streamed ? /^data:(.*)$/s.exec(text)?.[1] : text
    if (json?.includes('"usage"')) add(counted, json)
  }

  return {
    look(chunk) {
      if (!streamed) return take(chunk)
      let from = 0
      for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
        take(chunk.subarray(from, end))
        flush()
        from = end + 1
      }
      take(chunk.subarray(from))
    },
    usage() {
      flush()
      return counted
    },
  }
}

/** Later reports hold for what they name: messages count the prompt in the first event and the answer in the last. */
function add(counted: Usage, json: string): void {
  const usage = reportedIn(json)
  if (!usage) return
  const beside = (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0)
  const prompt = usage.prompt_tokens ?? (usage.input_tokens == null ? null : usage.input_tokens + beside)
  counted.promptTokens = prompt ?? counted.promptTokens
  counted.completionTokens = usage.completion_tokens ?? usage.output_tokens ?? counted.completionTokens
  counted.cachedTokens =
    usage.prompt_tokens_details?.cached_tokens ??
    usage.input_tokens_details?.cached_tokens ??
    usage.cache_read_input_tokens ??
    counted.cachedTokens
}

function reportedIn(json: string): z.infer<typeof reported> | null {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
  const found = report.safeParse(value)
  if (!found.success) return null
  return found.data.usage ?? found.data.message?.usage ?? found.data.response?.usage ?? null
}
