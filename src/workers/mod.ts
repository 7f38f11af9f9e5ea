/** The edge's data plane in several threads. */
export { WorkerEdge, type WorkerPort } from "./worker_edge.ts";
export { WorkerPlane, type WorkerPlaneOptions } from "./worker_plane.ts";
