/** A use of a tool: one line while it is closed; open, what went in and what came out, also while it runs. */
import type { Part } from '@corral/protocol'
import { Bot, FileText, Globe, ListChecks, Pencil, Search, SquareTerminal, Wrench } from 'lucide-react'
import { type ReactNode, useMemo } from 'react'
import { Scroll } from '../../ui/Scroll.tsx'
import { Spinner } from '../../ui/Spinner.tsx'
import { duration } from '../duration.ts'
import { Card } from './Card.tsx'
import { PatchView } from './PatchView.tsx'
import { changeLines, patchLines } from './patch.ts'
import { TodoList } from './TodoList.tsx'
import styles from './ToolPart.module.css'
import { type ToolBody, type ToolUse, toolUse } from './tool.ts'
import { useNow } from './useNow.ts'

const icons: Record<ToolBody['kind'], typeof Wrench> = {
  terminal: SquareTerminal,
  diff: Pencil,
  change: Pencil,
  text: FileText,
  todos: ListChecks,
  agent: Bot,
  members: Wrench,
}
const iconOf = ({ verb, body }: ToolUse) => (verb === 'Search' ? Search : verb === 'Fetch' ? Globe : icons[body.kind])

/** How a sub-agent's own conversation is shown, which is made of parts again. */
export type ShowSubAgent = (body: Extract<ToolBody, { kind: 'agent' }>) => ReactNode

/** `isLive`: its turn has not ended; a tool of one that has does not run any more, whatever it said last. */
export function ToolPart({ part, isLive, subAgent }: { part: Part; isLive: boolean; subAgent: ShowSubAgent }) {
  const use = useMemo(() => toolUse(part), [part])
  const isRunning = isLive && (use.status === 'running' || use.status === 'pending')
  const now = useNow(isRunning)
  const Icon = iconOf(use)
  const took = use.start === null ? null : use.end === null ? (isRunning ? now - use.start : null) : use.end - use.start
  const notes = [use.note, took !== null && (took >= 1_000 || !isRunning) ? duration(took) : ''].filter(Boolean)
  return (
    <Card
      id={part.id}
      icon={isRunning ? <Spinner size={14} label="Running" /> : <Icon size={15} />}
      verb={use.verb}
      about={use.about}
      note={notes.join(' · ')}
      state={use.status === 'error' ? 'failed' : isRunning ? 'busy' : 'done'}
      isOpenByItself={
        use.status === 'error' || use.body.kind === 'todos' || (isRunning && use.body.kind === 'terminal')
      }
    >
      {hasBody(use) ? () => <Body use={use} subAgent={subAgent} /> : null}
    </Card>
  )
}

function hasBody({ body, error }: ToolUse): boolean {
  if (error !== null) return true
  switch (body.kind) {
    case 'terminal':
      return body.command !== ''
    case 'text':
      return body.text !== ''
    case 'todos':
      return body.todos.length > 0
    case 'members':
      return body.input !== '' || body.output !== ''
    default:
      return true
  }
}

function Body({ use, subAgent }: { use: ToolUse; subAgent: ShowSubAgent }) {
  return (
    <>
      {content(use.body, subAgent)}
      {use.error !== null && <p className={styles.error}>{use.error}</p>}
    </>
  )
}

function content(body: ToolBody, subAgent: ShowSubAgent): ReactNode {
  switch (body.kind) {
    case 'terminal':
      return (
        <Text label="Command and output">
          <span className={styles.prompt}>$ </span>
          {body.command}
          {body.output && `\n${body.output}`}
        </Text>
      )
    case 'diff':
      return <PatchView lines={patchLines(body.patch)} />
    case 'change':
      return <PatchView lines={changeLines(body.before, body.after)} />
    case 'text':
      return <Text label="Text">{body.text}</Text>
    case 'todos':
      return <TodoList todos={body.todos} />
    case 'agent':
      return subAgent(body)
    case 'members':
      return (
        <>
          {body.input && <Text label="Input">{body.input}</Text>}
          {body.output && <Text label="Output">{body.output}</Text>}
        </>
      )
  }
}

function Text({ label, children }: { label: string; children: ReactNode }) {
  return (
    <Scroll className={styles.text} label={label}>
      <pre>{children}</pre>
    </Scroll>
  )
}
