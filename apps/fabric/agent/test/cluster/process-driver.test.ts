import { describeClusterDriver } from "./driver-suite.ts";
import { openProcessCluster } from "./process-cluster.ts";

describeClusterDriver("the process driver", openProcessCluster);
