/** Applies events to a transcript. The one that was given stays as it is; what did not change is shared with it. */
import { type Change, changesOf, type LogEvent } from './change.ts'
import { mayGrow, type Transcript, type TranscriptMessage, type TranscriptPart } from './transcript.ts'

/** `events` in their order. Those that the transcript contains already are skipped, so that a replay may overlap. */
export function reduce(transcript: Transcript, events: readonly LogEvent[]): Transcript {
  const draft = createDraft(transcript)
  let { seq } = transcript
  for (const event of events) {
    if (event.seq <= seq) continue
    seq = event.seq
    for (const change of changesOf(event)) apply(draft, change, seq)
  }
  return { ...draft.done(), seq }
}

function apply({ messages, partsOf, forgetParts }: Draft, change: Change, seq: number): void {
  switch (change.change) {
    case 'message': {
      const { info } = change
      const known = messages.get(info.id)
      const executionId = known?.executionId ?? change.executionId
      messages.set(info.id, { info, position: known?.position ?? seq, executionId })
      break
    }
    case 'part': {
      const { part } = change
      const parts = partsOf(part.messageID)
      parts.set(part.id, { part, position: parts.get(part.id)?.position ?? seq })
      break
    }
    case 'delta': {
      const parts = partsOf(change.messageId)
      const known = parts.get(change.partId)
      // A part is opened by a full update; without one there is nothing that could grow.
      if (known && mayGrow(known.part)) parts.set(change.partId, grown(known, change.text))
      break
    }
    case 'removeMessage':
      messages.delete(change.messageId)
      forgetParts(change.messageId)
      break
    case 'removePart':
      partsOf(change.messageId).delete(change.partId)
      break
  }
}

function grown({ part, position }: TranscriptPart, text: string): TranscriptPart {
  return { part: { ...part, text: (typeof part.text === 'string' ? part.text : '') + text }, position }
}

type Draft = {
  messages: EditableMap<TranscriptMessage>
  partsOf(messageId: string): EditableMap<TranscriptPart>
  forgetParts(messageId: string): void
  done(): Omit<Transcript, 'seq'>
}

function createDraft(transcript: Transcript): Draft {
  const messages = editable(transcript.messages)
  const touched = new Map<string, EditableMap<TranscriptPart>>()
  return {
    messages,
    partsOf(messageId) {
      const known = touched.get(messageId)
      if (known) return known
      const parts = editable(transcript.parts.get(messageId) ?? new Map())
      touched.set(messageId, parts)
      return parts
    },
    forgetParts: (messageId) => void touched.set(messageId, editable(new Map())),
    done() {
      const parts = editable(transcript.parts)
      for (const [messageId, edited] of touched) {
        const own = edited.result()
        if (own.size === 0) parts.delete(messageId)
        else if (own !== parts.get(messageId)) parts.set(messageId, own)
      }
      return { messages: messages.result(), parts: parts.result() }
    },
  }
}

type EditableMap<V> = {
  get(key: string): V | undefined
  set(key: string, value: V): void
  delete(key: string): void
  result(): ReadonlyMap<string, V>
}

/** A view of a map that copies it at the first change. */
function editable<V>(original: ReadonlyMap<string, V>): EditableMap<V> {
  let copy: Map<string, V> | null = null
  const own = () => {
    copy ??= new Map(original)
    return copy
  }
  return {
    get: (key) => (copy ?? original).get(key),
    set: (key, value) => void own().set(key, value),
    delete(key) {
      if ((copy ?? original).has(key)) own().delete(key)
    },
    result: () => copy ?? original,
  }
}
