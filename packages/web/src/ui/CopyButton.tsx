/** Puts a text on the clipboard and says so. Where the browser has no clipboard for us (plain http), it says that. */
import { Check, Copy } from 'lucide-react'
import { useState } from 'react'
import { Button, type ButtonProps } from './Button.tsx'
import { useToast } from './Toast.tsx'

const shownMs = 2_000

export function CopyButton({
  text,
  label = 'Copy',
  ...rest
}: { text: string; label?: string } & Pick<ButtonProps, 'kind' | 'size'>) {
  const [isCopied, setCopied] = useState(false)
  const toast = useToast()
  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(text)
      setCopied(true)
      setTimeout(() => setCopied(false), shownMs)
    } catch {
      toast('This browser does not let the page copy. Select the text and copy it by hand.', 'bad')
    }
  }
  return (
    <Button {...rest} icon={isCopied ? <Check size={15} /> : <Copy size={15} />} onClick={() => void copy()}>
      <span aria-live="polite">{isCopied ? 'Copied' : label}</span>
    </Button>
  )
}
