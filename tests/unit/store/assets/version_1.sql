-- A store of version 1. Later versions must read it: tests/unit/store/test_connection.py.
PRAGMA application_id = 1668181616;
PRAGMA user_version = 1;
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
INSERT INTO "parts" VALUES(1,1,0,'{"model":"vgg16","setting":{"device":"cpu","batch":8,"dtype":"float32","layout":"contiguous","threads":1,"mode":"inference","optimizer":"sgd","compiled":false,"seed":0},"status":"done","problem":null,"hint":null,"graph":null,"source":null,"script":null,"analysis":null,"layers":["conv","relu"],"marks":["node","node"],"costs":{"node":{"inside_ns":90.5,"outside_ns":80.0,"inside_cpu_ns":0.0}},"phases":["forward"],"environment":{"cpu":"a processor","torch":null},"forwards":[],"temperatures":[],"memory":{"peak_bytes":4096,"by":"storages"},"output_std":0.5,"steady":true}',2680056945,'{"model":"vgg16","setting":{"device":"cpu","batch":8,"dtype":"float32","layout":"contiguous","threads":1,"mode":"inference","optimizer":"sgd","compiled":false,"seed":0},"status":"running","problem":null,"hint":null,"graph":null,"source":null,"script":null,"analysis":null,"layers":[],"marks":[],"costs":{},"phases":["forward"],"environment":{},"forwards":[],"temperatures":[],"memory":null,"output_std":null,"steady":null}',1047943307);
INSERT INTO "parts" VALUES(2,2,0,'{"model":"alexnet","setting":{"device":"cpu","batch":8,"dtype":"float32","layout":"contiguous","threads":1,"mode":"inference","optimizer":"sgd","compiled":false,"seed":0},"status":"running","problem":null,"hint":null,"graph":null,"source":null,"script":null,"analysis":null,"layers":[],"marks":[],"costs":{},"phases":["forward"],"environment":{},"forwards":[],"temperatures":[],"memory":null,"output_std":null,"steady":null}',1296273783,'{"model":"alexnet","setting":{"device":"cpu","batch":8,"dtype":"float32","layout":"contiguous","threads":1,"mode":"inference","optimizer":"sgd","compiled":false,"seed":0},"status":"running","problem":null,"hint":null,"graph":null,"source":null,"script":null,"analysis":null,"layers":[],"marks":[],"costs":{},"phases":["forward"],"environment":{},"forwards":[],"temperatures":[],"memory":null,"output_std":null,"steady":null}',1296273783);
CREATE TABLE records (
            key INTEGER PRIMARY KEY,
            part INTEGER NOT NULL REFERENCES parts ON DELETE CASCADE,
            kind TEXT NOT NULL CHECK (kind IN ('forward', 'warm-up', 'temperature', 'memory')),
            data TEXT NOT NULL,
            crc INTEGER NOT NULL
        ) STRICT;
INSERT INTO "records" VALUES(1,1,'warm-up','{"kind":"E","wall_ns":9,"cpu_ns":9,"switches":null,"faults":null,"others":null,"phases_ns":[],"marks_ns":[],"marks_cpu_ns":[],"warm_up":true,"attempt":0}',3267321955);
INSERT INTO "records" VALUES(2,1,'forward','{"kind":"E","wall_ns":1,"cpu_ns":1,"switches":null,"faults":null,"others":null,"phases_ns":[],"marks_ns":[],"marks_cpu_ns":[],"warm_up":false,"attempt":0}',1593887429);
INSERT INTO "records" VALUES(3,1,'forward','{"kind":"E","wall_ns":2,"cpu_ns":2,"switches":null,"faults":null,"others":null,"phases_ns":[],"marks_ns":[],"marks_cpu_ns":[],"warm_up":false,"attempt":0}',919160812);
INSERT INTO "records" VALUES(4,1,'forward','{"kind":"L","wall_ns":7,"cpu_ns":7,"switches":null,"faults":null,"others":null,"phases_ns":[],"marks_ns":[0,1,2,3,4],"marks_cpu_ns":[0,1,2,3,4],"warm_up":false,"attempt":0}',3582932996);
INSERT INTO "records" VALUES(5,1,'temperature','{"layer":"conv","hot_ns":[5,6],"cold_ns":[8,9]}',2147987541);
INSERT INTO "records" VALUES(6,2,'forward','{"kind":"E","wall_ns":5,"cpu_ns":5,"switches":null,"faults":null,"others":null,"phases_ns":[],"marks_ns":[],"marks_cpu_ns":[],"warm_up":false,"attempt":0}',1959648102);
INSERT INTO "records" VALUES(7,2,'forward','{"kind":"L","wall_ns":8,"cpu_ns":8,"switches":null,"faults":null,"others":null,"phases_ns":[],"marks_ns":[0],"marks_cpu_ns":[0],"warm_up":false,"attempt":0}',387671667);
CREATE TABLE runs (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            head TEXT NOT NULL,
            crc INTEGER NOT NULL,
            writer TEXT,
            touched INTEGER NOT NULL
        ) STRICT;
INSERT INTO "runs" VALUES(1,'20261121-141502-vgg16-3f9a','{"schema":"cnnprof/run/1","cnnprof_version":"1.2.3","id":"20261121-141502-vgg16-3f9a","created":"2026-11-21T14:15:02+00:00","status":"done","budget_s":30.0,"interval":0.02,"temperature":false,"python":null,"parts":[]}',4090829528,NULL,1795270000);
INSERT INTO "runs" VALUES(2,'20261122-080000-alexnet-b001','{"schema":"cnnprof/run/1","cnnprof_version":"1.2.3","id":"20261122-080000-alexnet-b001","created":"2026-11-22T08:00:00+00:00","status":"running","budget_s":30.0,"interval":0.02,"temperature":false,"python":null,"parts":[]}',3005540894,'[4711,12345,"laboratory","0d7c5c2e-0000-0000-0000-000000000000"]',1795270000);
CREATE INDEX records_of_part ON records (part, kind);
COMMIT;
