/**
 * What the supervisor needs from any kind of agent; one instance per session. An adapter turns the agent's dialect
 * into the vocabulary of events and tells how a turn ended. Invariants: a turn ends once, by the root session's own
 * end of turn; when `run` has resolved, everything of the turn was told and nothing of it runs.
 */
import type { AnswerParams, ExecuteParams, FailureReason, KilocodeData, WarmParams } from '@corral/protocol'
import type { Steps } from '../sessions/steps.ts'

export type TurnEnd =
  | { result: 'completed' }
  | { result: 'failed'; reason: FailureReason; message: string }
  /** Ended because the caller's signal was aborted. */
  | { result: 'stopped' }

export type TurnSink = {
  kilocode(data: KilocodeData): void
  /** The agent has the prompt. */
  started(): void
  /** An ask that was told is not in the agent's hands any more, and it has not said so itself. */
  askGone(askId: string): void
  /** Called before the first event of an assistant is told: what has begun is not run again by itself. */
  begun(): void
  steps: Steps
}

/** What is needed to read a turn's rest from an agent's history, and no secret: it is kept on disk. */
export type TurnReference = Pick<
  ExecuteParams,
  'session' | 'executionId' | 'agentSessionId' | 'messageId' | 'agent' | 'workspacePath' | 'home'
>

export type Agent = {
  /** Starts the agent if it is not there, and lets it load what its first prompt would wait for. A turn may begin meanwhile. */
  warm(params: WarmParams, steps: Steps, signal: AbortSignal): Promise<void>
  /** Its process is there. */
  runs(): boolean
  /** Starts the agent if it is not there, hands over the prompt, and resolves with the end of the turn. */
  run(params: ExecuteParams, sink: TurnSink, signal: AbortSignal): Promise<TurnEnd>
  /** After a supervisor died in the middle of a turn: tells what the agent's history has of it beyond the log. */
  recover(turn: TurnReference, sink: Pick<TurnSink, 'kilocode' | 'begun'>, signal: AbortSignal): Promise<void>
  /** Hands over what people have answered. `gone`: the agent knows nothing of that ask, or no more. */
  answer(params: AnswerParams): Promise<'taken' | 'gone'>
  /** False when it does not run, or did not take it; the next start tells it. */
  rename(agentSessionId: string, title: string): Promise<boolean>
  /** Ends the agent's process; its history stays. */
  stop(): Promise<void>
}
