/** Which events bring text in pieces, and which tell the whole of such a text. What has not the form of one is neither. */
import { outputDataSchema, partDeltaSchema, partSchema } from '@corral/protocol'
import { z } from 'zod'
import type { SentEvent } from './partStreams.ts'

/** A piece of the text `key`, which is part of `part`; `with` is the event with other text in its place. */
export type Piece = { key: string; part: string; text: string; with(text: string): SentEvent }

const deltaSchema = z.looseObject({ type: z.literal('message.part.delta'), properties: partDeltaSchema })
const updateSchema = z.looseObject({
  type: z.literal('message.part.updated'),
  properties: z.looseObject({ part: partSchema }),
})
const endedSchema = z.looseObject({ time: z.looseObject({ end: z.number() }) })

export function readPiece(event: SentEvent): Piece | null {
  if (event.type === 'output') {
    const output = outputDataSchema.safeParse(event.data).data
    if (!output) return null
    const part = `output ${event.executionId} ${output.source}`
    return { key: part, part, text: output.content, with: (content) => ({ ...event, data: { ...output, content } }) }
  }
  if (event.type !== 'kilocode') return null
  const delta = deltaSchema.safeParse(event.data).data
  if (!delta) return null
  const { properties } = delta
  const part = partKey(properties.messageID, properties.partID)
  return {
    key: `${part} ${properties.field}`,
    part,
    text: properties.delta,
    with: (text) => ({ ...event, data: { ...delta, properties: { ...properties, delta: text } } }),
  }
}

/** `texts`: those that deltas may go on from. None when the part has ended. */
export function readWhole(event: SentEvent): { part: string; texts: { key: string; text: string }[] } | null {
  const part = event.type === 'kilocode' ? updateSchema.safeParse(event.data).data?.properties.part : undefined
  if (!part) return null
  const key = partKey(part.messageID, part.id)
  const goesOn = !endedSchema.safeParse(part).success && typeof part.text === 'string'
  return { part: key, texts: goesOn ? [{ key: `${key} text`, text: String(part.text) }] : [] }
}

const partKey = (messageId: string, partId: string) => `part ${messageId} ${partId}`
