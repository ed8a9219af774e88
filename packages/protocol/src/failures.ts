/**
 * Why an execution failed: a closed set, each with a sentence for people, whether trying again can help,
 * and the HTTP status a synchronous view of the failure carries. Source: 10-engine, 30-cloud-agent-api §2.
 */
import { z } from 'zod'

type Failure = { sentence: string; retryable: boolean; httpStatus: 402 | 422 | 500 | 503 }

export const failures = {
  sandbox_start_failed: { sentence: 'The sandbox could not be started.', retryable: true, httpStatus: 503 },
  sandbox_lost: { sentence: 'The sandbox ended in the middle of the work.', retryable: true, httpStatus: 503 },
  sandbox_stopped: { sentence: 'The sandbox was stopped while the work ran.', retryable: true, httpStatus: 503 },
  out_of_memory: { sentence: 'The sandbox ran out of memory.', retryable: true, httpStatus: 503 },
  disk_full: { sentence: 'The disk is full.', retryable: true, httpStatus: 503 },
  preparation_timeout: { sentence: 'Preparing the workspace took too long.', retryable: true, httpStatus: 503 },
  workspace_setup_failed: { sentence: 'The workspace could not be prepared.', retryable: true, httpStatus: 503 },
  setup_command_failed: { sentence: 'A setup command failed.', retryable: false, httpStatus: 422 },
  clone_failed: {
    sentence: 'The repository could not be cloned: it does not exist or may not be read.',
    retryable: false,
    httpStatus: 422,
  },
  branch_not_found: { sentence: 'The upstream branch does not exist.', retryable: false, httpStatus: 422 },
  agent_unavailable: { sentence: 'The agent could not be started.', retryable: true, httpStatus: 503 },
  agent_restarted: {
    sentence: 'The agent ended in the middle of the work; what it had begun is not run again by itself.',
    retryable: true,
    httpStatus: 503,
  },
  agent_error: { sentence: 'The agent reported an error.', retryable: false, httpStatus: 500 },
  model_error: { sentence: 'The model could not be reached or refused the request.', retryable: true, httpStatus: 503 },
  insufficient_credits: { sentence: 'The budget is used up.', retryable: false, httpStatus: 402 },
  no_progress: { sentence: 'The agent showed no progress for too long.', retryable: true, httpStatus: 503 },
  execution_limit: { sentence: 'The execution reached its time limit.', retryable: false, httpStatus: 500 },
  invalid_configuration: {
    sentence: 'The configuration of the session is not valid.',
    retryable: false,
    httpStatus: 422,
  },
  interrupted: { sentence: 'The execution was stopped.', retryable: true, httpStatus: 503 },
} as const satisfies Record<string, Failure>

export type FailureReason = keyof typeof failures

export const failureReasonSchema = z.enum(Object.keys(failures) as [FailureReason, ...FailureReason[]])
