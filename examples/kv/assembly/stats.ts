/** What `INFO` counts. */

/** Connections open now. */
export let clients: u32 = 0;
/** Connections accepted since the start. */
export let connectionsReceived: u64 = 0;
/** Commands executed since the start. */
export let commandsProcessed: u64 = 0;

export function countConnection(): void {
  clients++;
  connectionsReceived++;
}

export function countDisconnection(): void {
  clients--;
}

export function countCommand(): void {
  commandsProcessed++;
}
