/** What a person can do about a turn that failed. Why it failed is said by `failures` of the protocol. */
import type { FailureReason } from '@corral/protocol'

const again = 'Send a message to try again.'

export const advice: Record<FailureReason, string> = {
  sandbox_start_failed: `${again} If it happens again, the operator finds the cause with “corral doctor”.`,
  sandbox_lost: `What was in the checkout is kept as of the last checkpoint. ${again}`,
  sandbox_stopped: again,
  out_of_memory: 'Ask for smaller steps, or have the operator give sandboxes more memory.',
  disk_full: 'Ask the agent to remove what it does not need, or have the operator give sandboxes more room.',
  preparation_timeout: again,
  workspace_setup_failed: again,
  setup_command_failed: 'Look at the output of the command above; the next message runs it again.',
  clone_failed: 'See whether the address is right and Corral may read the repository, and begin a new session.',
  branch_not_found: 'Begin a new session with a branch that exists.',
  agent_unavailable: `${again} If it happens again, the operator finds the cause with “corral doctor”.`,
  agent_restarted: `Look at what it has done so far, and tell it how to go on.`,
  agent_error: again,
  model_error: `${again} If it happens again, choose another model.`,
  insufficient_credits: 'The budget has to be raised before it can go on.',
  no_progress: again,
  execution_limit: 'Ask for the rest in a message of its own.',
  invalid_configuration: 'Begin a new session with a configuration that is valid.',
  interrupted: again,
}
