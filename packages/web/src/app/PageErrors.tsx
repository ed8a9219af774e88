/** An error while a page is drawn or loaded is shown in its place; the navigation stays. */
import { Component, type ReactNode } from 'react'
import { ErrorState } from '../ui/ErrorState.tsx'

export class PageErrors extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null }

  static getDerivedStateFromError(error: unknown): { error: Error } {
    return { error: error instanceof Error ? error : new Error(String(error)) }
  }

  override render() {
    const { error } = this.state
    return error ? <ErrorState error={error} retry={() => this.setState({ error: null })} /> : this.props.children
  }
}
