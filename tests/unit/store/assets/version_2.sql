-- A store of version 2. Later versions must read it: tests/unit/store/test_connection.py.
PRAGMA application_id = 1668181616;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE parts (
            key INTEGER PRIMARY KEY,
            run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
            number INTEGER NOT NULL,
            head TEXT NOT NULL,
            crc INTEGER NOT NULL,
            network TEXT NOT NULL,
            network_crc INTEGER NOT NULL,
            UNIQUE (run, number)
        ) STRICT;
INSERT INTO "parts" VALUES(1,1,0,'{"model":"vgg16","setting":{"device":"cpu","batch":8,"dtype":"float32","layout":"contiguous","threads":1,"mode":"inference","optimizer":"sgd","compiled":false,"tf32":false,"seed":0},"status":"done","problem":null,"hint":null,"code":null,"graph":null,"source":null,"script":null,"analysis":null,"layers":["conv","relu"],"marks":["node","node"],"costs":{"node":{"inside_ns":90.5,"outside_ns":80.0,"inside_cpu_ns":0.0}},"phases":["forward"],"environment":{"cpu":"a processor","torch":null},"forwards":[],"temperatures":[],"memory":null,"copies":[],"load":null,"overlap":null,"telemetry":[],"output_std":0.5,"steady":true,"confirms":false}',3418935355,'{"model":"vgg16","setting":{"device":"cpu","batch":8,"dtype":"float32","layout":"contiguous","threads":1,"mode":"inference","optimizer":"sgd","compiled":false,"tf32":false,"seed":0},"status":"running","problem":null,"hint":null,"code":null,"graph":null,"source":null,"script":null,"analysis":null,"layers":[],"marks":[],"costs":{},"phases":["forward"],"environment":{},"forwards":[],"temperatures":[],"memory":null,"copies":[],"load":null,"overlap":null,"telemetry":[],"output_std":null,"steady":null,"confirms":false}',2107990118);
INSERT INTO "parts" VALUES(2,1,1,'{"model":"vgg16","setting":{"device":"cuda","batch":1,"dtype":"float32","layout":"contiguous","threads":null,"mode":"inference","optimizer":"sgd","compiled":false,"tf32":false,"seed":0},"status":"done","problem":null,"hint":null,"code":null,"graph":null,"source":null,"script":null,"analysis":null,"layers":["conv","relu"],"marks":["node","node"],"costs":{"node":{"inside_ns":90.5,"outside_ns":80.0,"inside_cpu_ns":0.0}},"phases":["forward"],"environment":{"cpu":"a processor","torch":null},"forwards":[],"temperatures":[],"memory":null,"copies":[],"load":null,"overlap":null,"telemetry":[],"output_std":0.5,"steady":true,"confirms":false}',1532125830,'{"model":"vgg16","setting":{"device":"cuda","batch":1,"dtype":"float32","layout":"contiguous","threads":null,"mode":"inference","optimizer":"sgd","compiled":false,"tf32":false,"seed":0},"status":"running","problem":null,"hint":null,"code":null,"graph":null,"source":null,"script":null,"analysis":null,"layers":[],"marks":[],"costs":{},"phases":["forward"],"environment":{},"forwards":[],"temperatures":[],"memory":null,"copies":[],"load":null,"overlap":null,"telemetry":[],"output_std":null,"steady":null,"confirms":false}',2569837756);
INSERT INTO "parts" VALUES(3,2,0,'{"model":"alexnet","setting":{"device":"cpu","batch":8,"dtype":"float32","layout":"contiguous","threads":1,"mode":"inference","optimizer":"sgd","compiled":false,"seed":0},"status":"running","problem":null,"hint":null,"graph":null,"source":null,"script":null,"analysis":null,"layers":[],"marks":[],"costs":{},"phases":["forward"],"environment":{},"forwards":[],"temperatures":[],"memory":null,"output_std":null,"steady":null}',1296273783,'{"model":"alexnet","setting":{"device":"cpu","batch":8,"dtype":"float32","layout":"contiguous","threads":1,"mode":"inference","optimizer":"sgd","compiled":false,"seed":0},"status":"running","problem":null,"hint":null,"graph":null,"source":null,"script":null,"analysis":null,"layers":[],"marks":[],"costs":{},"phases":["forward"],"environment":{},"forwards":[],"temperatures":[],"memory":null,"output_std":null,"steady":null}',1296273783);
CREATE TABLE "records" (
            key INTEGER PRIMARY KEY,
            part INTEGER NOT NULL REFERENCES parts ON DELETE CASCADE,
            kind TEXT NOT NULL CHECK (kind IN (
                'forward', 'warm-up', 'temperature', 'memory', 'copy', 'load', 'overlap', 'telemetry'
            )),
            data TEXT NOT NULL,
            crc INTEGER NOT NULL
        ) STRICT;
INSERT INTO "records" VALUES(1,1,'warm-up','{"kind":"E","wall_ns":9,"device_ns":null,"cpu_ns":9,"switches":null,"faults":null,"system_ns":null,"others":null,"phases_ns":[],"marks_ns":[],"marks_cpu_ns":[],"warm_up":true,"attempt":0}',3921372818);
INSERT INTO "records" VALUES(2,1,'forward','{"kind":"E","wall_ns":1,"device_ns":null,"cpu_ns":1,"switches":null,"faults":null,"system_ns":null,"others":null,"phases_ns":[],"marks_ns":[],"marks_cpu_ns":[],"warm_up":false,"attempt":0}',207955642);
INSERT INTO "records" VALUES(3,1,'forward','{"kind":"E","wall_ns":2,"device_ns":null,"cpu_ns":2,"switches":null,"faults":null,"system_ns":null,"others":null,"phases_ns":[],"marks_ns":[],"marks_cpu_ns":[],"warm_up":false,"attempt":0}',2251917209);
INSERT INTO "records" VALUES(4,1,'forward','{"kind":"L","wall_ns":7,"device_ns":null,"cpu_ns":7,"switches":null,"faults":null,"system_ns":null,"others":null,"phases_ns":[],"marks_ns":[0,1,2,3,4],"marks_cpu_ns":[0,1,2,3,4],"warm_up":false,"attempt":0}',2912908587);
INSERT INTO "records" VALUES(5,1,'temperature','{"layer":"conv","hot_ns":[5,6],"cold_ns":[8,9]}',2147987541);
INSERT INTO "records" VALUES(6,1,'memory','{"peak_bytes":4096,"by":"storages"}',1610583915);
INSERT INTO "records" VALUES(7,2,'forward','{"kind":"E","wall_ns":9,"device_ns":8,"cpu_ns":9,"switches":null,"faults":null,"system_ns":null,"others":null,"phases_ns":[],"marks_ns":[],"marks_cpu_ns":[],"warm_up":false,"attempt":0}',8549915);
INSERT INTO "records" VALUES(8,2,'forward','{"kind":"L","wall_ns":9,"device_ns":null,"cpu_ns":9,"switches":null,"faults":null,"system_ns":null,"others":null,"phases_ns":[],"marks_ns":[0,1,2,3,4],"marks_cpu_ns":[0,1,2,3,4],"warm_up":false,"attempt":0}',2610298466);
INSERT INTO "records" VALUES(9,2,'forward','{"kind":"Q","wall_ns":20,"device_ns":7,"cpu_ns":20,"switches":null,"faults":null,"system_ns":null,"others":null,"phases_ns":[],"marks_ns":[0,3,0,4,0],"marks_cpu_ns":[],"warm_up":false,"attempt":0}',3669333088);
INSERT INTO "records" VALUES(10,2,'forward','{"kind":"G","wall_ns":7,"device_ns":7,"cpu_ns":7,"switches":null,"faults":null,"system_ns":null,"others":null,"phases_ns":[],"marks_ns":[],"marks_cpu_ns":[],"warm_up":false,"attempt":0}',3718218885);
INSERT INTO "records" VALUES(11,2,'temperature','{"layer":"conv","hot_ns":[5,6],"cold_ns":[8,9]}',2147987541);
INSERT INTO "records" VALUES(12,2,'memory','{"peak_bytes":4096,"by":"storages"}',1610583915);
INSERT INTO "records" VALUES(13,2,'copy','{"direction":"h2d","memory":"pinned","bytes":4096,"times_ns":[5,6],"cpu_ns":[],"verified":true}',3959926109);
INSERT INTO "records" VALUES(14,2,'copy','{"direction":"d2h","memory":"pageable","bytes":4096,"times_ns":[8,9],"cpu_ns":[7,7],"verified":null}',1904259920);
INSERT INTO "records" VALUES(15,2,'load','{"weights_bytes":4096,"weights_ns":900,"context_ns":null,"first_ns":30}',2973226295);
INSERT INTO "records" VALUES(16,2,'overlap','{"batches":10,"copy_ns":[50],"compute_ns":[70],"both_ns":[75]}',2453688675);
INSERT INTO "records" VALUES(17,2,'telemetry','{"when":"before","sm_clock_mhz":1980,"memory_clock_mhz":null,"power_w":null,"temperature_c":null,"throttle":null,"pcie_generation":null,"pcie_width":null,"energy_j":null,"energy_s":null,"energy_forwards":null}',1666366254);
INSERT INTO "records" VALUES(18,2,'telemetry','{"when":"after","sm_clock_mhz":null,"memory_clock_mhz":null,"power_w":null,"temperature_c":null,"throttle":["sw_power_cap"],"pcie_generation":null,"pcie_width":null,"energy_j":null,"energy_s":null,"energy_forwards":null}',3344627979);
INSERT INTO "records" VALUES(19,3,'forward','{"kind":"E","wall_ns":5,"cpu_ns":5,"switches":null,"faults":null,"others":null,"phases_ns":[],"marks_ns":[],"marks_cpu_ns":[],"warm_up":false,"attempt":0}',1959648102);
INSERT INTO "records" VALUES(20,3,'forward','{"kind":"L","wall_ns":8,"cpu_ns":8,"switches":null,"faults":null,"others":null,"phases_ns":[],"marks_ns":[0],"marks_cpu_ns":[0],"warm_up":false,"attempt":0}',387671667);
CREATE TABLE runs (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            head TEXT NOT NULL,
            crc INTEGER NOT NULL,
            writer TEXT,
            touched INTEGER NOT NULL
        ) STRICT;
INSERT INTO "runs" VALUES(1,'20261121-141502-vgg16-3f9a','{"schema":"cnnprof/run/1","cnnprof_version":"1.2.3","id":"20261121-141502-vgg16-3f9a","created":"2026-11-21T14:15:02+00:00","status":"done","budget_s":30.0,"interval":0.02,"temperature":false,"python":null,"parts":[]}',4090829528,NULL,1795282112);
INSERT INTO "runs" VALUES(2,'20261122-080000-alexnet-b001','{"schema":"cnnprof/run/1","cnnprof_version":"1.2.3","id":"20261122-080000-alexnet-b001","created":"2026-11-22T08:00:00+00:00","status":"running","budget_s":30.0,"interval":0.02,"temperature":false,"python":null,"parts":[]}',3005540894,'[4711,12345,"laboratory","0d7c5c2e-0000-0000-0000-000000000000"]',1795270000);
CREATE INDEX records_of_part ON records (part, kind);
COMMIT;
