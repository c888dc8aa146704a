/** How a connection comes to its end. */

/**
 * What happens once all that was written has been sent. Up to `HALF_CLOSED`, what the peer sends
 * is still wanted.
 */
export const enum Ending {
  NONE,
  HALF,
  HALF_CLOSED,
  CLOSE,
  SHUTDOWN,
  LINGERING,
}
