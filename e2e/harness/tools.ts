/** What the agent's tools gave back in one turn, in their order, as the transcript has it. */
import type { ExecutionId } from '@corral/protocol'
import { z } from 'zod'
import type { Viewer } from './viewer.ts'

const toolPart = z.looseObject({
  id: z.string(),
  type: z.literal('tool'),
  state: z.discriminatedUnion('status', [
    z.looseObject({ status: z.literal('completed'), output: z.string() }),
    z.looseObject({ status: z.literal('error'), error: z.string() }),
  ]),
})

export function toolOutputs({ events }: Viewer, executionId: ExecutionId): string[] {
  const outputs = new Map<string, string>()
  for (const event of events) {
    if (event.executionId !== executionId || event.streamEventType !== 'kilocode') continue
    const part = toolPart.safeParse(event.data.properties.part)
    if (!part.success) continue
    const { id, state } = part.data
    outputs.set(id, state.status === 'completed' ? state.output : state.error)
  }
  return [...outputs.values()]
}

/** The first line of an output that is JSON. */
export function jsonIn(output: string | undefined): unknown {
  const line = output?.split('\n').find((candidate) => candidate.startsWith('{'))
  if (!line) throw new Error(`no JSON in what the tool said: ${output}`)
  return JSON.parse(line)
}
