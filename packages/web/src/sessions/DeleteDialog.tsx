/** The question before a session is deleted for good. */
import type { SessionRow } from '@corral/protocol'
import { useMutation } from '@tanstack/react-query'
import { useCorral } from '../app/corral.tsx'
import { Button } from '../ui/Button.tsx'
import { Dialog } from '../ui/Dialog.tsx'
import { FormError } from '../ui/Field.tsx'

type Deleted = Pick<SessionRow, 'cloudAgentSessionId' | 'title'>

/** Null deletes nothing, and is closed. */
export function DeleteDialog(props: { session: Deleted | null; onClose: () => void; onDeleted?: () => void }) {
  const { session, onClose, onDeleted } = props
  const corral = useCorral()
  const remove = useMutation({
    mutationFn: (id: Deleted['cloudAgentSessionId']) => corral.remove(id),
    onSuccess: () => {
      onClose()
      onDeleted?.()
    },
  })
  return (
    <Dialog
      open={session !== null}
      title="Delete this session?"
      busy={remove.isPending}
      onClose={onClose}
      actions={
        <>
          <Button disabled={remove.isPending} onClick={onClose}>
            Cancel
          </Button>
          <Button
            kind="danger"
            busy={remove.isPending}
            onClick={() => session && remove.mutate(session.cloudAgentSessionId)}
          >
            Delete
          </Button>
        </>
      }
    >
      <p>
        {session?.title ? `“${session.title}”` : 'It'} is stopped, and its conversation, log and files are removed for
        good. What it has pushed stays in the repository.
      </p>
      <FormError error={remove.error} />
    </Dialog>
  )
}
