/** A button for what cannot be undone: it asks once more, with what will happen, and shows why it did not. */
import { useMutation } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { Button, type ButtonProps } from './Button.tsx'
import { Dialog } from './Dialog.tsx'
import { FormError } from './Field.tsx'

export function ConfirmButton(
  props: Pick<ButtonProps, 'kind' | 'size' | 'icon' | 'aria-label' | 'disabled'> & {
    /** On the button; none where an icon stands for it. */
    children?: ReactNode
    question: string
    /** What will happen. */
    consequence: ReactNode
    /** What the button says that does it. */
    verb: string
    run: () => Promise<unknown>
  },
) {
  const { children, question, consequence, verb, run, ...button } = props
  const [isOpen, setOpen] = useState(false)
  const doing = useMutation({ mutationFn: run, onSuccess: () => setOpen(false) })
  const close = () => setOpen(false)
  return (
    <>
      <Button
        {...button}
        onClick={() => {
          doing.reset()
          setOpen(true)
        }}
      >
        {children}
      </Button>
      <Dialog
        open={isOpen}
        title={question}
        busy={doing.isPending}
        onClose={close}
        actions={
          <>
            <Button disabled={doing.isPending} onClick={close}>
              Cancel
            </Button>
            <Button kind="danger" busy={doing.isPending} onClick={() => doing.mutate()}>
              {verb}
            </Button>
          </>
        }
      >
        <p>{consequence}</p>
        <FormError error={doing.error} />
      </Dialog>
    </>
  )
}
