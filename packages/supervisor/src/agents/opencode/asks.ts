/**
 * The asks of an agent and its sub-agents that wait for people. Invariants: one that the policy answers waits for
 * nobody; one that is told and not in the agent's hands any more is told as gone; an answer reaches the agent once,
 * since it knows an ask only until its first answer.
 */
import {
  type AnswerParams,
  type ExecuteParams,
  type PermissionRequest,
  permissionRequestSchema,
  vocabulary,
} from '@corral/protocol'
import { errorText } from '../../host/errorCode.ts'
import type { Log } from '../../host/log.ts'
import { type AgentApi, AgentRefused } from './api.ts'
import type { FeedEvent } from './feed.ts'
import { actionOn, mayAsk } from './permissions.ts'

export type Asks = {
  /** After it was told. */
  event(event: FeedEvent): void
  /** `gone`: the agent knows nothing of it any more. */
  answer(params: AnswerParams): Promise<'taken' | 'gone'>
  /** Events may have been lost: compares what was told with what the agent has. */
  compare(): Promise<void>
  policy(params: Pick<ExecuteParams, 'permissions' | 'alwaysAllowed'>): void
}

const deniedByPolicy = 'The permissions of this session deny this. Go on without it.'

export function createAsks(options: {
  api: AgentApi
  policy: Pick<ExecuteParams, 'permissions' | 'alwaysAllowed'>
  /** Tells an event that the feed has lost. */
  tell(event: FeedEvent): void
  gone(askId: string): void
  log: Log
}): Asks {
  const { api, tell, gone, log } = options
  let { policy } = options
  /** Told, and as far as we know not answered. */
  const open = new Set<string>()

  function answerByPolicy(id: string, run: () => Promise<unknown>): void {
    run().catch((error: unknown) => {
      // One that was answered meanwhile is not there any more.
      if (!isGone(error)) log('warn', 'an ask could not be answered by the policy', { id, error: errorText(error) })
    })
  }

  function permission(request: PermissionRequest): void {
    const { id } = request
    const action = actionOn(policy, request)
    if (action === 'ask') open.add(id)
    if (action === 'auto') answerByPolicy(id, () => api.replyPermission(id, { reply: 'once' }))
    if (action === 'deny') {
      answerByPolicy(id, () => api.replyPermission(id, { reply: 'reject', message: deniedByPolicy }))
    }
  }

  function question(id: string): void {
    if (mayAsk(policy.permissions)) open.add(id)
    else answerByPolicy(id, () => api.rejectQuestion(id))
  }

  function event({ type, properties }: FeedEvent): void {
    switch (type) {
      case 'permission.asked': {
        const request = permissionRequestSchema.safeParse(properties)
        if (request.success) permission(request.data)
        return
      }
      case 'question.asked': {
        const request = vocabulary[type].safeParse(properties)
        if (request.success) question(request.data.id)
        return
      }
      // Its turn goes on; people take it up afterwards, by a message.
      case 'suggestion.shown': {
        const shown = vocabulary[type].safeParse(properties)
        if (shown.success) answerByPolicy(shown.data.id, () => api.dismissSuggestion(shown.data.id))
        return
      }
      case 'permission.replied':
      case 'question.replied':
      case 'question.rejected': {
        const closed = vocabulary[type].safeParse(properties)
        if (closed.success) open.delete(closed.data.requestID)
      }
    }
  }

  function hand({ askId, answer }: AnswerParams): Promise<unknown> {
    switch (answer.kind) {
      case 'answers':
        return api.answerQuestion(askId, answer.answers)
      case 'rejected':
        return api.rejectQuestion(askId)
      case 'reply':
        return api.replyPermission(askId, { reply: answer.reply, message: answer.message })
    }
  }

  return {
    event,
    policy(params) {
      policy = params
    },
    async answer(params) {
      try {
        await hand(params)
        return 'taken'
      } catch (error) {
        if (isGone(error)) return 'gone'
        throw error
      }
    },
    async compare() {
      const before = [...open]
      const [permissions, questions] = await Promise.all([api.permissions(), api.questions()])
      const there = new Set([...permissions, ...questions].map(({ id }) => id))
      for (const id of before) {
        if (!there.has(id) && open.delete(id)) gone(id)
      }
      for (const properties of permissions) if (!open.has(properties.id)) tell({ type: 'permission.asked', properties })
      for (const properties of questions) if (!open.has(properties.id)) tell({ type: 'question.asked', properties })
    },
  }
}

const isGone = (error: unknown): boolean => error instanceof AgentRefused && error.status === 404
