/** An address under which anybody may read a session, until it is taken back. */
import type { SessionRow } from '@corral/protocol'
import { useMutation } from '@tanstack/react-query'
import { useEffect } from 'react'
import { useCorral } from '../app/corral.tsx'
import { Button } from '../ui/Button.tsx'
import { CopyButton } from '../ui/CopyButton.tsx'
import { Dialog } from '../ui/Dialog.tsx'
import { Field, FormError } from '../ui/Field.tsx'
import { useToast } from '../ui/Toast.tsx'
import styles from './ShareDialog.module.css'

type Shared = Pick<SessionRow, 'cloudAgentSessionId'>

/** Null shares nothing, and is closed. Nothing is shared before somebody presses for it. */
export function ShareDialog({ session, onClose }: { session: Shared | null; onClose: () => void }) {
  const corral = useCorral()
  const toast = useToast()
  const id = session?.cloudAgentSessionId ?? null
  const share = useMutation({ mutationFn: (of: Shared['cloudAgentSessionId']) => corral.share(of) })
  const unshare = useMutation({
    mutationFn: (of: Shared['cloudAgentSessionId']) => corral.unshare(of),
    onSuccess: () => {
      share.reset()
      toast('The session is no longer shared.')
      onClose()
    },
  })
  const { reset } = share
  // Another session's address is not this one's.
  useEffect(() => {
    if (id !== null) reset()
  }, [id, reset])
  const isBusy = share.isPending || unshare.isPending

  return (
    <Dialog
      open={id !== null}
      title="Share this session"
      busy={isBusy}
      onClose={onClose}
      actions={
        <>
          <Button kind="danger" busy={unshare.isPending} onClick={() => id && unshare.mutate(id)}>
            Stop sharing
          </Button>
          {!share.data && (
            <Button kind="primary" busy={share.isPending} onClick={() => id && share.mutate(id)}>
              Make a link
            </Button>
          )}
        </>
      }
    >
      <p>
        Whoever has the link can read the conversation as a JSON document, without signing in. They see no address of
        the machine, no environment and no files beyond what was said. Stopping ends every link that was given.
      </p>
      {share.data && (
        <div className={styles.link}>
          <Field label="Link" readOnly value={share.data.url} onFocus={({ target }) => target.select()} />
          <CopyButton text={share.data.url} />
        </div>
      )}
      <FormError error={share.error ?? unshare.error} />
    </Dialog>
  )
}
