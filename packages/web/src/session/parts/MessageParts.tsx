/** What an agent's message is made of, in order. Parts without anything for people are not shown. */
import { mayGrow } from '@corral/transcript'
import { FileDiff, Paperclip, Sparkle, TriangleAlert } from 'lucide-react'
import { memo, useMemo } from 'react'
import { z } from 'zod'
import { duration } from '../duration.ts'
import { Markdown } from '../markdown/Markdown.tsx'
import type { Parts } from '../rows.ts'
import { Card } from './Card.tsx'
import styles from './MessageParts.module.css'
import { SubAgent } from './SubAgent.tsx'
import { ToolPart } from './ToolPart.tsx'

type Part = Parameters<typeof mayGrow>[0]

export type MessagePartsProps = {
  parts: Parts | undefined
  /** Its turn goes on, so it may still grow. */
  isLive: boolean
  /** Questions are shown beside it, where they can be answered. */
  withoutQuestions?: boolean
}

export function MessageParts({ parts, isLive, withoutQuestions = false }: MessagePartsProps) {
  const ordered = useMemo(
    () =>
      [...(parts?.values() ?? [])]
        .filter(({ part }) => isShown(part) && !(withoutQuestions && part.type === 'tool' && part.tool === 'question'))
        .toSorted((a, b) => a.position - b.position),
    [parts, withoutQuestions],
  )
  if (ordered.length === 0) return null
  return (
    <div className={styles.parts}>
      {ordered.map(({ part }) => (
        <MessagePart key={part.id} part={part} isLive={isLive} />
      ))}
    </div>
  )
}

/** Others say nothing to people. */
function isShown(part: Part): boolean {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return typeof part.text === 'string' && part.text.trim() !== ''
    case 'patch':
      return patchSchema.parse(part).files.length > 0
    default:
      return ['tool', 'file', 'retry'].includes(part.type)
  }
}

const MessagePart = memo(function MessagePart({ part, isLive }: { part: Part; isLive: boolean }) {
  const text = typeof part.text === 'string' ? part.text : ''
  const grows = isLive && mayGrow(part)
  switch (part.type) {
    case 'text':
      return <Markdown text={text} isWhole={!grows} />
    case 'reasoning':
      return <Thought part={part} text={text} grows={grows} />
    case 'tool':
      return (
        <ToolPart
          part={part}
          isLive={isLive}
          subAgent={(body) => <SubAgent body={body} Parts={MessageParts} isLive={isLive} />}
        />
      )
    case 'file':
      return <Card id={part.id} icon={<Paperclip size={15} />} verb="File" about={nameOf(part)} />
    case 'patch': {
      const { files } = patchSchema.parse(part)
      const about = `${files.length} ${files.length === 1 ? 'file' : 'files'}`
      return (
        <Card id={part.id} icon={<FileDiff size={15} />} verb="Changed" about={about}>
          {() => (
            <ul className={styles.files}>
              {files.map((file) => (
                <li key={file}>{file}</li>
              ))}
            </ul>
          )}
        </Card>
      )
    }
    case 'retry':
      return <Card id={part.id} icon={<TriangleAlert size={15} />} verb="Tried again" about={retryReason(part)} />
    default:
      return null
  }
})

function Thought({ part, text, grows }: { part: Part; text: string; grows: boolean }) {
  const { start, end } = timeSchema.parse(part.time)
  const note = start !== undefined && end !== undefined ? duration(end - start) : ''
  return (
    <Card
      id={part.id}
      icon={<Sparkle size={15} />}
      verb={grows ? 'Thinking' : 'Thought'}
      about={
        text
          .replaceAll(/[*_`#]/g, '')
          .trim()
          .split('\n', 1)[0]
      }
      note={note}
      state={grows ? 'busy' : 'done'}
    >
      {() => (
        <div className={styles.thought}>
          <Markdown text={text} isWhole={!grows} />
        </div>
      )}
    </Card>
  )
}

const timeSchema = z.looseObject({ start: z.number().optional(), end: z.number().optional() }).catch({})
const patchSchema = z.looseObject({ files: z.array(z.string()).catch([]) })
const fileSchema = z.looseObject({ filename: z.string().optional().catch(undefined), mime: z.string().catch('a file') })
const retrySchema = z.looseObject({ error: z.looseObject({ data: z.looseObject({ message: z.string() }) }) })

const nameOf = (part: Part): string => {
  const { filename, mime } = fileSchema.parse(part)
  return filename ?? mime
}
const retryReason = (part: Part) => retrySchema.safeParse(part).data?.error.data.message ?? ''
