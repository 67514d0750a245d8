PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE schema_version (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO schema_version VALUES(1);
CREATE TABLE runs (
	id VARCHAR(64) NOT NULL, 
	suite VARCHAR(200) NOT NULL, 
	suite_specification JSON NOT NULL, 
	started_at DATETIME NOT NULL, 
	finished_at DATETIME, 
	versions JSON NOT NULL, 
	hardware JSON NOT NULL, 
	precision VARCHAR(20) NOT NULL, 
	isolation VARCHAR(20) NOT NULL, 
	workers INTEGER NOT NULL, 
	revision VARCHAR(80), 
	PRIMARY KEY (id)
);
INSERT INTO runs VALUES('c42196dab956451cb30fc93ecf44a7b8','tiny','{"name": "tiny", "title": "Tiny", "dataset": "digits", "discovery_rates": [0.5, 1.0], "seeds": [0], "recipe": {"steps": 60, "batch_size": 50, "peak_learning_rate": 0.05, "warmup": 0.01, "final": 0.2, "momentum": 0.9, "weight_decay": 0.0005, "crop_padding": 1, "flip": false}, "budget": {"steps": 4, "batch_size": 50, "learning_rate": 0.01, "stop_accuracy": 0.2}, "corruptions": ["random-swap", "poison-trigger"], "corruption": {"size": 20, "class_pair": [3, 5], "target_class": 0, "trigger_size": 3}, "model": {"architecture": "resnet9", "width": 0.125, "capacity": 0.5}, "limits": {"seconds": 60, "memory_gib": 4}, "image_size": null, "train_size": 200, "test_size": 60, "threads": 1, "precision": "float32", "low_utility": "relative", "paper": false}','2026-11-24 20:44:15.752610','2026-11-24 20:44:34.355174','{"python": "3.11.7", "unlearnbench": "0.1.0", "torch": "2.15.0", "torchvision": "0.29.2", "numpy": "2.4.6", "scikit-learn": "1.9.1"}','{"processor": "Intel(R) Xeon(R) Processor", "cores": 2, "system": "Linux-6.18.44-fc-v657-x86_64-with-glibc2.36", "device": "cpu"}','float32','process',1,NULL);
INSERT INTO runs VALUES('5c57afe130194721b9ab78adfdeb520f','tiny-quarter','{"name": "tiny-quarter", "title": "Tiny, a quarter", "dataset": "digits", "discovery_rates": [0.5, 1.0], "seeds": [0], "recipe": {"steps": 60, "batch_size": 50, "peak_learning_rate": 0.05, "warmup": 0.01, "final": 0.2, "momentum": 0.9, "weight_decay": 0.0005, "crop_padding": 1, "flip": false}, "budget": {"steps": 4, "batch_size": 50, "learning_rate": 0.01, "stop_accuracy": 0.2}, "corruptions": ["class-swap"], "corruption": {"size": 20, "class_pair": [3, 5], "target_class": 0, "trigger_size": 3}, "model": {"architecture": "resnet9", "width": 0.125, "capacity": 0.25}, "limits": {"seconds": 60, "memory_gib": 4}, "image_size": null, "train_size": 200, "test_size": 60, "threads": 1, "precision": "float32", "low_utility": "relative", "paper": false}','2026-11-24 20:44:34.512104',NULL,'{"python": "3.11.7", "unlearnbench": "0.1.0", "torch": "2.15.0", "torchvision": "0.29.2", "numpy": "2.4.6", "scikit-learn": "1.9.1"}','{"processor": "Intel(R) Xeon(R) Processor", "cores": 2, "system": "Linux-6.18.44-fc-v657-x86_64-with-glibc2.36", "device": "cpu"}','float32','process',1,NULL);
CREATE TABLE problems (
	"key" VARCHAR(64) NOT NULL, 
	specification JSON NOT NULL, 
	dataset VARCHAR(200) NOT NULL, 
	corruption VARCHAR(40) NOT NULL, 
	regularity VARCHAR(10) NOT NULL, 
	discovery_rate DOUBLE NOT NULL, 
	corruption_seed BIGINT NOT NULL, 
	corrupted INTEGER NOT NULL, 
	discovered INTEGER NOT NULL, 
	training_fingerprint VARCHAR(64) NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO problems VALUES('36df92b6d32c4d6c38df915cbc1d33353eb0afea7c67ed64998298f4f79e5b40','{"dataset": "digits", "data_fingerprint": "89ccff80425b81beceaf923fd785b5fa1768b6669ac8e27d21a0efc5c1a66649", "corruption": "random-swap", "size": 20, "class_pair": [3, 5], "target_class": 0, "trigger_size": 3, "paper": false, "discovery_rate": 0.5, "seed": 0}','digits','random-swap','low',0.5,0,20,10,'bbbaa03c983636cf6e31c88ac67801a30b6d293480a972701299ae9910658bc8');
INSERT INTO problems VALUES('4e52aee06caec7fd71975376d5c8644bb467e08dd39272bbf42223703acb51f3','{"dataset": "digits", "data_fingerprint": "89ccff80425b81beceaf923fd785b5fa1768b6669ac8e27d21a0efc5c1a66649", "corruption": "random-swap", "size": 20, "class_pair": [3, 5], "target_class": 0, "trigger_size": 3, "paper": false, "discovery_rate": 1.0, "seed": 0}','digits','random-swap','low',1.0,0,20,20,'bbbaa03c983636cf6e31c88ac67801a30b6d293480a972701299ae9910658bc8');
INSERT INTO problems VALUES('c5e9d29332eee1070d7c196cbf99a2c863890874d75f61c005bc628eeed6f719','{"dataset": "digits", "data_fingerprint": "89ccff80425b81beceaf923fd785b5fa1768b6669ac8e27d21a0efc5c1a66649", "corruption": "poison-trigger", "size": 20, "class_pair": [3, 5], "target_class": 0, "trigger_size": 3, "paper": false, "discovery_rate": 0.5, "seed": 0}','digits','poison-trigger','high',0.5,0,20,10,'f917f2a4fc637e6ac004d9d60d5667421b31b47bbfc36fd4cc20b02fa3c3a655');
INSERT INTO problems VALUES('338d0c3765b3d01e75db42bc5a0b704d88c76abb9763defab4231c1acb54c1c2','{"dataset": "digits", "data_fingerprint": "89ccff80425b81beceaf923fd785b5fa1768b6669ac8e27d21a0efc5c1a66649", "corruption": "poison-trigger", "size": 20, "class_pair": [3, 5], "target_class": 0, "trigger_size": 3, "paper": false, "discovery_rate": 1.0, "seed": 0}','digits','poison-trigger','high',1.0,0,20,20,'f917f2a4fc637e6ac004d9d60d5667421b31b47bbfc36fd4cc20b02fa3c3a655');
INSERT INTO problems VALUES('21c18122f7378a99e64318ecd98f3b7349254efc8bee3b6c0dd6371d1ed6d303','{"dataset": "digits", "data_fingerprint": "89ccff80425b81beceaf923fd785b5fa1768b6669ac8e27d21a0efc5c1a66649", "corruption": "class-swap", "size": 20, "class_pair": [3, 5], "target_class": 0, "trigger_size": 3, "paper": false, "discovery_rate": 0.5, "seed": 0}','digits','class-swap','medium',0.5,0,20,10,'c9c450056779bade2bd5dc673423cdc01e60a00aa34f06dd4c2430fbfb3605e5');
INSERT INTO problems VALUES('311cfd10ed54c10ff5405b79528c59e244543e65d3fcf55e9c9b33f9c46fbc95','{"dataset": "digits", "data_fingerprint": "89ccff80425b81beceaf923fd785b5fa1768b6669ac8e27d21a0efc5c1a66649", "corruption": "class-swap", "size": 20, "class_pair": [3, 5], "target_class": 0, "trigger_size": 3, "paper": false, "discovery_rate": 1.0, "seed": 0}','digits','class-swap','medium',1.0,0,20,20,'c9c450056779bade2bd5dc673423cdc01e60a00aa34f06dd4c2430fbfb3605e5');
CREATE TABLE originals (
	"key" VARCHAR(64) NOT NULL, 
	specification JSON NOT NULL, 
	training_seed BIGINT NOT NULL, 
	precision VARCHAR(20) NOT NULL, 
	weights_hash VARCHAR(64) NOT NULL, 
	seconds DOUBLE NOT NULL, 
	memorised DOUBLE NOT NULL, 
	absorbed BOOLEAN NOT NULL, 
	healed_train DOUBLE NOT NULL, 
	healed_test DOUBLE NOT NULL, 
	utility DOUBLE NOT NULL, 
	utility_train DOUBLE NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO originals VALUES('bca284fd244d30477e2cbd66cc71763dbfe666ee214a093c2dc36abffd31e450','{"problem": {"dataset": "digits", "data_fingerprint": "89ccff80425b81beceaf923fd785b5fa1768b6669ac8e27d21a0efc5c1a66649", "corruption": "random-swap", "size": 20, "class_pair": [3, 5], "target_class": 0, "trigger_size": 3, "paper": false, "seed": 0}, "model": {"architecture": "resnet9", "width": 0.125, "capacity": 0.5}, "recipe": {"steps": 60, "batch_size": 50, "peak_learning_rate": 0.05, "warmup": 0.01, "final": 0.2, "momentum": 0.9, "weight_decay": 0.0005, "crop_padding": 1, "flip": false}}',0,'float32','d8f54c7b9832ae9c1fc32e6789a68d977662d40fd8ae7baf3778955ee8e93f86',1.8788481920000776881,0.14999999999999999444,0,0.75,0.9000000000000000222,0.9000000000000000222,0.96666666666666667406);
INSERT INTO originals VALUES('bf61544cef2a14bf56ffabf6b1551de4657af971651373500429b6d375dd1d94','{"problem": {"dataset": "digits", "data_fingerprint": "89ccff80425b81beceaf923fd785b5fa1768b6669ac8e27d21a0efc5c1a66649", "corruption": "poison-trigger", "size": 20, "class_pair": [3, 5], "target_class": 0, "trigger_size": 3, "paper": false, "seed": 0}, "model": {"architecture": "resnet9", "width": 0.125, "capacity": 0.5}, "recipe": {"steps": 60, "batch_size": 50, "peak_learning_rate": 0.05, "warmup": 0.01, "final": 0.2, "momentum": 0.9, "weight_decay": 0.0005, "crop_padding": 1, "flip": false}}',0,'float32','7a4d8f31a84f743770585eb312cde7320df6d7250db1e98ec635b879d317bff9',1.7741462540000156877,1.0,1,0.0,0.01851851851851851749,0.9000000000000000222,0.95555555555555560243);
INSERT INTO originals VALUES('c9c2482e786ed13984edc7a19a214b98eb3c494c39d262b2869c75e00bb42bc0','{"problem": {"dataset": "digits", "data_fingerprint": "89ccff80425b81beceaf923fd785b5fa1768b6669ac8e27d21a0efc5c1a66649", "corruption": "class-swap", "size": 20, "class_pair": [3, 5], "target_class": 0, "trigger_size": 3, "paper": false, "seed": 0}, "model": {"architecture": "resnet9", "width": 0.125, "capacity": 0.25}, "recipe": {"steps": 60, "batch_size": 50, "peak_learning_rate": 0.05, "warmup": 0.01, "final": 0.2, "momentum": 0.9, "weight_decay": 0.0005, "crop_padding": 1, "flip": false}}',0,'float32','6e4411c8af1759d42d00e3f06d998134d83d6dfb29126709af599c813f6d52a7',1.5336011580000104004,0.59999999999999997779,0,0.14999999999999999444,0.22222222222222220988,0.7254901960784313486,0.62222222222222223209);
CREATE TABLE submissions (
	"key" VARCHAR(64) NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	variant VARCHAR(100) NOT NULL, 
	title VARCHAR(200) NOT NULL, 
	authors JSON NOT NULL, 
	paper VARCHAR NOT NULL, 
	license VARCHAR(100) NOT NULL, 
	role VARCHAR(20) NOT NULL, 
	needs_corrupted_indices BOOLEAN NOT NULL, 
	hyperparameters JSON NOT NULL, 
	source_hash VARCHAR(64) NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO submissions VALUES('663c18e372f9c164feca592e291b7cfa2cbe949cc3aad6d7909a64a7799fa96f','nothing','default','nothing','["A"]','','Apache-2.0','ranked',0,'{}','4c0f55c8b01b5b7e474ebfa1abaa99dde8b8d930163710a9c35ee84b55f4fa52');
INSERT INTO submissions VALUES('ec658ec8a0d06d19b6d4da14a6fc4500a0c9f8feeadb5ef98b1f11c53771a71b','finetune','default','finetune','["A"]','','Apache-2.0','ranked',0,'{}','31b3a14fb18e5113e0eb47a9dd8452c20037fb11513537e1cfcbeb5a2da5eab9');
INSERT INTO submissions VALUES('51152aa4de37e95998a48f1360d87e31b88cb2832a27cd0e8326a65820ac992c','leaves','default','leaves','["A"]','','Apache-2.0','ranked',0,'{}','fba538a9d850bdd00dec6a5dcba245ae5796098c146e32cf8bad81f5b9cf75f3');
CREATE TABLE trials (
	"key" VARCHAR(64) NOT NULL, 
	run_id VARCHAR(64) NOT NULL, 
	problem_key VARCHAR(64) NOT NULL, 
	original_key VARCHAR(64) NOT NULL, 
	submission_key VARCHAR(64) NOT NULL, 
	training_seed BIGINT NOT NULL, 
	unlearning_seed BIGINT NOT NULL, 
	state VARCHAR(10) NOT NULL, 
	reason VARCHAR, 
	detail TEXT, 
	healed_train DOUBLE, 
	healed_discovered DOUBLE, 
	healed_undiscovered DOUBLE, 
	healed_test DOUBLE, 
	utility DOUBLE, 
	utility_train DOUBLE, 
	aggregate DOUBLE, 
	seconds DOUBLE, 
	forward_samples BIGINT, 
	backward_samples BIGINT, 
	evaluation_seconds DOUBLE, 
	total_seconds DOUBLE NOT NULL, 
	weights_hash VARCHAR(64), 
	device VARCHAR(100) NOT NULL, 
	precision VARCHAR(20) NOT NULL, 
	threads INTEGER NOT NULL, 
	isolation VARCHAR(20) NOT NULL, 
	protocol_version INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY ("key"), 
	FOREIGN KEY(run_id) REFERENCES runs (id), 
	FOREIGN KEY(problem_key) REFERENCES problems ("key"), 
	FOREIGN KEY(original_key) REFERENCES originals ("key"), 
	FOREIGN KEY(submission_key) REFERENCES submissions ("key")
);
INSERT INTO trials VALUES('39069a91654a744fe2e5d13d824f5c3ae632cdebd30dc3a895da24a01192c59a','c42196dab956451cb30fc93ecf44a7b8','36df92b6d32c4d6c38df915cbc1d33353eb0afea7c67ed64998298f4f79e5b40','bca284fd244d30477e2cbd66cc71763dbfe666ee214a093c2dc36abffd31e450','663c18e372f9c164feca592e291b7cfa2cbe949cc3aad6d7909a64a7799fa96f',0,0,'finished',NULL,NULL,0.75,0.8000000000000000444,0.69999999999999995559,0.9000000000000000222,0.9000000000000000222,0.96666666666666667406,0.6750000000000000444,0.032882863000168072176,0,0,0.04923012499989454227,0.24280947800002650183,'d8f54c7b9832ae9c1fc32e6789a68d977662d40fd8ae7baf3778955ee8e93f86','cpu','float32',1,'process',1,'2026-11-24 20:44:28.642397');
INSERT INTO trials VALUES('ef43a976ce46fd03fc00d85fd1756a488cc87f90a45a388ffba048e79b10cc50','c42196dab956451cb30fc93ecf44a7b8','36df92b6d32c4d6c38df915cbc1d33353eb0afea7c67ed64998298f4f79e5b40','bca284fd244d30477e2cbd66cc71763dbfe666ee214a093c2dc36abffd31e450','ec658ec8a0d06d19b6d4da14a6fc4500a0c9f8feeadb5ef98b1f11c53771a71b',0,0,'finished',NULL,NULL,0.69999999999999995559,0.9000000000000000222,0.5,0.91666666666666662965,0.91666666666666662965,0.98888888888888892836,0.64166666666666660745,0.7411659520000739576,950,950,0.060470427999916864791,0.99228963199993813759,'9335421db815783a5413eecc3ecbd04f479399fd535cc25d136014ca8bbddb27','cpu','float32',1,'process',1,'2026-11-24 20:44:29.643390');
INSERT INTO trials VALUES('a1c4785c68861edabc7e8d52fb828b18bc5ad542a72c4a99b625e35a19f4a63d','c42196dab956451cb30fc93ecf44a7b8','36df92b6d32c4d6c38df915cbc1d33353eb0afea7c67ed64998298f4f79e5b40','bca284fd244d30477e2cbd66cc71763dbfe666ee214a093c2dc36abffd31e450','51152aa4de37e95998a48f1360d87e31b88cb2832a27cd0e8326a65820ac992c',0,0,'failed','exited: code 3 without a result',replace('not today\n','\n',char(10)),NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0.16919342200003484322,NULL,'cpu','float32',1,'process',1,'2026-11-24 20:44:29.816350');
INSERT INTO trials VALUES('bd92945e8cf8a3bed3035fb67c890f8dfce7128c25cdf7919ad1d5d656723704','c42196dab956451cb30fc93ecf44a7b8','4e52aee06caec7fd71975376d5c8644bb467e08dd39272bbf42223703acb51f3','bca284fd244d30477e2cbd66cc71763dbfe666ee214a093c2dc36abffd31e450','663c18e372f9c164feca592e291b7cfa2cbe949cc3aad6d7909a64a7799fa96f',0,0,'finished',NULL,NULL,0.75,0.75,NULL,0.9000000000000000222,0.9000000000000000222,0.96666666666666667406,0.6750000000000000444,0.020501182000089102075,0,0,0.050525276999906054697,0.26548489700007849023,'d8f54c7b9832ae9c1fc32e6789a68d977662d40fd8ae7baf3778955ee8e93f86','cpu','float32',1,'process',1,'2026-11-24 20:44:30.082094');
INSERT INTO trials VALUES('65ad66bca6896dac38b2dd292b213bf8d8de0053736b2cec5a318410604bea80','c42196dab956451cb30fc93ecf44a7b8','4e52aee06caec7fd71975376d5c8644bb467e08dd39272bbf42223703acb51f3','bca284fd244d30477e2cbd66cc71763dbfe666ee214a093c2dc36abffd31e450','ec658ec8a0d06d19b6d4da14a6fc4500a0c9f8feeadb5ef98b1f11c53771a71b',0,0,'finished',NULL,NULL,0.8000000000000000444,0.8000000000000000444,NULL,0.9000000000000000222,0.9000000000000000222,0.99444444444444446418,0.72000000000000008437,0.68455253299998730653,900,900,0.048857706000035250326,0.90453175400011787132,'011dd7155ca013a2ba5cd66f9f77afb93a844a34588c6e747f9964667c2a559f','cpu','float32',1,'process',1,'2026-11-24 20:44:30.995600');
INSERT INTO trials VALUES('efbbe99603bdf3230d747dadf29c7723b9c44a9d04d3a948e5abb58443c0142e','c42196dab956451cb30fc93ecf44a7b8','4e52aee06caec7fd71975376d5c8644bb467e08dd39272bbf42223703acb51f3','bca284fd244d30477e2cbd66cc71763dbfe666ee214a093c2dc36abffd31e450','51152aa4de37e95998a48f1360d87e31b88cb2832a27cd0e8326a65820ac992c',0,0,'failed','exited: code 3 without a result',replace('not today\n','\n',char(10)),NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0.16617537100000845384,NULL,'cpu','float32',1,'process',1,'2026-11-24 20:44:31.166985');
INSERT INTO trials VALUES('676d471b26a8e7b083ee587df8d036d89500a6cdc2d752fa7eaa650cde8eb8b5','c42196dab956451cb30fc93ecf44a7b8','c5e9d29332eee1070d7c196cbf99a2c863890874d75f61c005bc628eeed6f719','bf61544cef2a14bf56ffabf6b1551de4657af971651373500429b6d375dd1d94','663c18e372f9c164feca592e291b7cfa2cbe949cc3aad6d7909a64a7799fa96f',0,0,'finished',NULL,NULL,0.0,0.0,0.0,0.01851851851851851749,0.9000000000000000222,0.95555555555555560243,0.0,0.035572097000112989917,0,0,0.083642748999864124925,0.35226789800003643904,'7a4d8f31a84f743770585eb312cde7320df6d7250db1e98ec635b879d317bff9','cpu','float32',1,'process',1,'2026-11-24 20:44:31.519489');
INSERT INTO trials VALUES('204a2e24b64b448e0692bb5e8fc5476d45cdf1c72dc8406c33b02c2abbe1d929','c42196dab956451cb30fc93ecf44a7b8','c5e9d29332eee1070d7c196cbf99a2c863890874d75f61c005bc628eeed6f719','bf61544cef2a14bf56ffabf6b1551de4657af971651373500429b6d375dd1d94','ec658ec8a0d06d19b6d4da14a6fc4500a0c9f8feeadb5ef98b1f11c53771a71b',0,0,'finished',NULL,NULL,0.0,0.0,0.0,0.055555555555555552471,0.91666666666666662965,0.99444444444444446418,0.0,0.7355026440000074217,950,950,0.083399540000073102419,0.98927166699991175846,'e0218c6d38a8cb773da3d4babd6d1fca5c008dc4632e568f6169abe15d287ed3','cpu','float32',1,'process',1,'2026-11-24 20:44:32.512342');
INSERT INTO trials VALUES('9fc23a36dab939dee7cd1ee1a0f1a2f8ad4ed460246b56ebe39a4a9f066ab5e6','c42196dab956451cb30fc93ecf44a7b8','c5e9d29332eee1070d7c196cbf99a2c863890874d75f61c005bc628eeed6f719','bf61544cef2a14bf56ffabf6b1551de4657af971651373500429b6d375dd1d94','51152aa4de37e95998a48f1360d87e31b88cb2832a27cd0e8326a65820ac992c',0,0,'failed','exited: code 3 without a result',replace('not today\n','\n',char(10)),NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0.183144248999951742,NULL,'cpu','float32',1,'process',1,'2026-11-24 20:44:32.698214');
INSERT INTO trials VALUES('0394179f64b4a760d9a771c033f77b9e0ef10dce3b81599cda7357b3e0a2484b','c42196dab956451cb30fc93ecf44a7b8','338d0c3765b3d01e75db42bc5a0b704d88c76abb9763defab4231c1acb54c1c2','bf61544cef2a14bf56ffabf6b1551de4657af971651373500429b6d375dd1d94','663c18e372f9c164feca592e291b7cfa2cbe949cc3aad6d7909a64a7799fa96f',0,0,'finished',NULL,NULL,0.0,0.0,NULL,0.01851851851851851749,0.9000000000000000222,0.95555555555555560243,0.0,0.025040436999915982596,0,0,0.10279629799993017513,0.37519972500012954697,'7a4d8f31a84f743770585eb312cde7320df6d7250db1e98ec635b879d317bff9','cpu','float32',1,'process',1,'2026-11-24 20:44:33.073635');
INSERT INTO trials VALUES('c7f4e5686f3929596e36355b48f8363931dbf4b9f10db30ad5e523bf914caf5e','c42196dab956451cb30fc93ecf44a7b8','338d0c3765b3d01e75db42bc5a0b704d88c76abb9763defab4231c1acb54c1c2','bf61544cef2a14bf56ffabf6b1551de4657af971651373500429b6d375dd1d94','ec658ec8a0d06d19b6d4da14a6fc4500a0c9f8feeadb5ef98b1f11c53771a71b',0,0,'finished',NULL,NULL,0.0,0.0,NULL,0.12962962962962962243,0.9000000000000000222,0.98888888888888892836,0.0,0.69167796599981556937,900,900,0.059532340000032490934,0.98947530200007349776,'3dd204b3a23f05899a48f303b000e53639cf547d8b194be9cbec72968dcc0613','cpu','float32',1,'process',1,'2026-11-24 20:44:34.070678');
INSERT INTO trials VALUES('5d50cae81d5c78590cb6f23b27b5f8d23ec73c1248f4e39d1a71941ff43e5556','c42196dab956451cb30fc93ecf44a7b8','338d0c3765b3d01e75db42bc5a0b704d88c76abb9763defab4231c1acb54c1c2','bf61544cef2a14bf56ffabf6b1551de4657af971651373500429b6d375dd1d94','51152aa4de37e95998a48f1360d87e31b88cb2832a27cd0e8326a65820ac992c',0,0,'failed','exited: code 3 without a result',replace('not today\n','\n',char(10)),NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0.14390158300011535175,NULL,'cpu','float32',1,'process',1,'2026-11-24 20:44:34.223016');
INSERT INTO trials VALUES('49e8d12500a2225d9384730511d786d2040ca59bc02d159fd179ca7d2e387700','5c57afe130194721b9ab78adfdeb520f','21c18122f7378a99e64318ecd98f3b7349254efc8bee3b6c0dd6371d1ed6d303','c9c2482e786ed13984edc7a19a214b98eb3c494c39d262b2869c75e00bb42bc0','663c18e372f9c164feca592e291b7cfa2cbe949cc3aad6d7909a64a7799fa96f',0,0,'finished',NULL,NULL,0.14999999999999999444,0.2000000000000000111,0.10000000000000000555,0.22222222222222220988,0.7254901960784313486,0.62222222222222223209,0.10882352941176469396,0.030146936999926765565,0,0,0.038743850999935602885,0.2524414629999682802,'6e4411c8af1759d42d00e3f06d998134d83d6dfb29126709af599c813f6d52a7','cpu','float32',1,'process',1,'2026-11-24 20:44:45.039678');
CREATE TABLE planned_trials (
	run_id VARCHAR(64) NOT NULL, 
	trial_key VARCHAR(64) NOT NULL, 
	problem_key VARCHAR(64) NOT NULL, 
	submission_key VARCHAR(64) NOT NULL, 
	original_key VARCHAR(64) NOT NULL, 
	PRIMARY KEY (run_id, trial_key), 
	FOREIGN KEY(run_id) REFERENCES runs (id), 
	FOREIGN KEY(problem_key) REFERENCES problems ("key"), 
	FOREIGN KEY(submission_key) REFERENCES submissions ("key")
);
INSERT INTO planned_trials VALUES('c42196dab956451cb30fc93ecf44a7b8','39069a91654a744fe2e5d13d824f5c3ae632cdebd30dc3a895da24a01192c59a','36df92b6d32c4d6c38df915cbc1d33353eb0afea7c67ed64998298f4f79e5b40','663c18e372f9c164feca592e291b7cfa2cbe949cc3aad6d7909a64a7799fa96f','bca284fd244d30477e2cbd66cc71763dbfe666ee214a093c2dc36abffd31e450');
INSERT INTO planned_trials VALUES('c42196dab956451cb30fc93ecf44a7b8','ef43a976ce46fd03fc00d85fd1756a488cc87f90a45a388ffba048e79b10cc50','36df92b6d32c4d6c38df915cbc1d33353eb0afea7c67ed64998298f4f79e5b40','ec658ec8a0d06d19b6d4da14a6fc4500a0c9f8feeadb5ef98b1f11c53771a71b','bca284fd244d30477e2cbd66cc71763dbfe666ee214a093c2dc36abffd31e450');
INSERT INTO planned_trials VALUES('c42196dab956451cb30fc93ecf44a7b8','a1c4785c68861edabc7e8d52fb828b18bc5ad542a72c4a99b625e35a19f4a63d','36df92b6d32c4d6c38df915cbc1d33353eb0afea7c67ed64998298f4f79e5b40','51152aa4de37e95998a48f1360d87e31b88cb2832a27cd0e8326a65820ac992c','bca284fd244d30477e2cbd66cc71763dbfe666ee214a093c2dc36abffd31e450');
INSERT INTO planned_trials VALUES('c42196dab956451cb30fc93ecf44a7b8','bd92945e8cf8a3bed3035fb67c890f8dfce7128c25cdf7919ad1d5d656723704','4e52aee06caec7fd71975376d5c8644bb467e08dd39272bbf42223703acb51f3','663c18e372f9c164feca592e291b7cfa2cbe949cc3aad6d7909a64a7799fa96f','bca284fd244d30477e2cbd66cc71763dbfe666ee214a093c2dc36abffd31e450');
INSERT INTO planned_trials VALUES('c42196dab956451cb30fc93ecf44a7b8','65ad66bca6896dac38b2dd292b213bf8d8de0053736b2cec5a318410604bea80','4e52aee06caec7fd71975376d5c8644bb467e08dd39272bbf42223703acb51f3','ec658ec8a0d06d19b6d4da14a6fc4500a0c9f8feeadb5ef98b1f11c53771a71b','bca284fd244d30477e2cbd66cc71763dbfe666ee214a093c2dc36abffd31e450');
INSERT INTO planned_trials VALUES('c42196dab956451cb30fc93ecf44a7b8','efbbe99603bdf3230d747dadf29c7723b9c44a9d04d3a948e5abb58443c0142e','4e52aee06caec7fd71975376d5c8644bb467e08dd39272bbf42223703acb51f3','51152aa4de37e95998a48f1360d87e31b88cb2832a27cd0e8326a65820ac992c','bca284fd244d30477e2cbd66cc71763dbfe666ee214a093c2dc36abffd31e450');
INSERT INTO planned_trials VALUES('c42196dab956451cb30fc93ecf44a7b8','676d471b26a8e7b083ee587df8d036d89500a6cdc2d752fa7eaa650cde8eb8b5','c5e9d29332eee1070d7c196cbf99a2c863890874d75f61c005bc628eeed6f719','663c18e372f9c164feca592e291b7cfa2cbe949cc3aad6d7909a64a7799fa96f','bf61544cef2a14bf56ffabf6b1551de4657af971651373500429b6d375dd1d94');
INSERT INTO planned_trials VALUES('c42196dab956451cb30fc93ecf44a7b8','204a2e24b64b448e0692bb5e8fc5476d45cdf1c72dc8406c33b02c2abbe1d929','c5e9d29332eee1070d7c196cbf99a2c863890874d75f61c005bc628eeed6f719','ec658ec8a0d06d19b6d4da14a6fc4500a0c9f8feeadb5ef98b1f11c53771a71b','bf61544cef2a14bf56ffabf6b1551de4657af971651373500429b6d375dd1d94');
INSERT INTO planned_trials VALUES('c42196dab956451cb30fc93ecf44a7b8','9fc23a36dab939dee7cd1ee1a0f1a2f8ad4ed460246b56ebe39a4a9f066ab5e6','c5e9d29332eee1070d7c196cbf99a2c863890874d75f61c005bc628eeed6f719','51152aa4de37e95998a48f1360d87e31b88cb2832a27cd0e8326a65820ac992c','bf61544cef2a14bf56ffabf6b1551de4657af971651373500429b6d375dd1d94');
INSERT INTO planned_trials VALUES('c42196dab956451cb30fc93ecf44a7b8','0394179f64b4a760d9a771c033f77b9e0ef10dce3b81599cda7357b3e0a2484b','338d0c3765b3d01e75db42bc5a0b704d88c76abb9763defab4231c1acb54c1c2','663c18e372f9c164feca592e291b7cfa2cbe949cc3aad6d7909a64a7799fa96f','bf61544cef2a14bf56ffabf6b1551de4657af971651373500429b6d375dd1d94');
INSERT INTO planned_trials VALUES('c42196dab956451cb30fc93ecf44a7b8','c7f4e5686f3929596e36355b48f8363931dbf4b9f10db30ad5e523bf914caf5e','338d0c3765b3d01e75db42bc5a0b704d88c76abb9763defab4231c1acb54c1c2','ec658ec8a0d06d19b6d4da14a6fc4500a0c9f8feeadb5ef98b1f11c53771a71b','bf61544cef2a14bf56ffabf6b1551de4657af971651373500429b6d375dd1d94');
INSERT INTO planned_trials VALUES('c42196dab956451cb30fc93ecf44a7b8','5d50cae81d5c78590cb6f23b27b5f8d23ec73c1248f4e39d1a71941ff43e5556','338d0c3765b3d01e75db42bc5a0b704d88c76abb9763defab4231c1acb54c1c2','51152aa4de37e95998a48f1360d87e31b88cb2832a27cd0e8326a65820ac992c','bf61544cef2a14bf56ffabf6b1551de4657af971651373500429b6d375dd1d94');
INSERT INTO planned_trials VALUES('5c57afe130194721b9ab78adfdeb520f','49e8d12500a2225d9384730511d786d2040ca59bc02d159fd179ca7d2e387700','21c18122f7378a99e64318ecd98f3b7349254efc8bee3b6c0dd6371d1ed6d303','663c18e372f9c164feca592e291b7cfa2cbe949cc3aad6d7909a64a7799fa96f','c9c2482e786ed13984edc7a19a214b98eb3c494c39d262b2869c75e00bb42bc0');
INSERT INTO planned_trials VALUES('5c57afe130194721b9ab78adfdeb520f','9b6f29cc1ed3a5d701b5c3555c68d41b1b4e4ca6545c9eddd9db8c1074190920','21c18122f7378a99e64318ecd98f3b7349254efc8bee3b6c0dd6371d1ed6d303','ec658ec8a0d06d19b6d4da14a6fc4500a0c9f8feeadb5ef98b1f11c53771a71b','c9c2482e786ed13984edc7a19a214b98eb3c494c39d262b2869c75e00bb42bc0');
INSERT INTO planned_trials VALUES('5c57afe130194721b9ab78adfdeb520f','e84062eef40fe085e930daee8164f46f0d0a2d37e1e172be02634b3bfcb041b5','311cfd10ed54c10ff5405b79528c59e244543e65d3fcf55e9c9b33f9c46fbc95','663c18e372f9c164feca592e291b7cfa2cbe949cc3aad6d7909a64a7799fa96f','c9c2482e786ed13984edc7a19a214b98eb3c494c39d262b2869c75e00bb42bc0');
INSERT INTO planned_trials VALUES('5c57afe130194721b9ab78adfdeb520f','8aa996705fffab5e283741afd79ecdac22da761ee051309cae018edf1bdb0557','311cfd10ed54c10ff5405b79528c59e244543e65d3fcf55e9c9b33f9c46fbc95','ec658ec8a0d06d19b6d4da14a6fc4500a0c9f8feeadb5ef98b1f11c53771a71b','c9c2482e786ed13984edc7a19a214b98eb3c494c39d262b2869c75e00bb42bc0');
CREATE TABLE predictions (
	trial_key VARCHAR(64) NOT NULL, 
	train BLOB NOT NULL, 
	test BLOB NOT NULL, 
	triggered_test BLOB, 
	PRIMARY KEY (trial_key), 
	FOREIGN KEY(trial_key) REFERENCES trials ("key")
);
INSERT INTO predictions VALUES('39069a91654a744fe2e5d13d824f5c3ae632cdebd30dc3a895da24a01192c59a',X'789c35500b12442108c2eaa9ddffc20be44e633322e007b8388c8d8546e2e303b3e6af00b122a319fa3fe6c79ca4aaa90abe6bf5f12b6677dc8ef9201666d6f4b8d3235c97dbe27fec55665e86949ae779b539c2616590bf661e5855ccda28ecf5d49febb0f6ba539a7bc645b8d48b487a726d0cef816169daf28dc2953263336bbba6d9ba4e10d56dd2d70bf77efe6f8f9ebdff3b24f34d96bce5f703b6d4035d',X'789c1d8d070a00200c0353b5c3ff7fd83394842ce8e82ad44ab074e056a14a5b6397e6bf11bcadc79b835b5cb869bc4080b12ff73f1d37495afc137842aa0102',NULL);
INSERT INTO predictions VALUES('ef43a976ce46fd03fc00d85fd1756a488cc87f90a45a388ffba048e79b10cc50',X'789c2d90011205210842b1dacafb5f78f1d9343aab1f10be945aaea9a1abadcf4f9eae7b95bc3b465c57f5cff302b3cdba66857bc25ebce3299fda022fef02e47937f2dd68bd521beecb88c214325dc52c3fad75cdf8b8d9cec2f8f1fc08d6f174d90aad667fe689efe4ee3063bc4c8183843dbcd938afc42287404ddc1efea3e09703a21394ea065d5a017ae3b73deae9778e4e116408324ebf85f6f4fc03d38a037e',X'789c3d8c510e00200842312debfe17eec547730e1064eba899c90e95f9822da5f677da5c64130cd4cb046a308913dc0b2c58e1877bd29d423f67faefb8e70249dc011d',NULL);
INSERT INTO predictions VALUES('bd92945e8cf8a3bed3035fb67c890f8dfce7128c25cdf7919ad1d5d656723704',X'789c35500b12442108c2eaa9ddffc20be44e633322e007b8388c8d8546e2e303b3e6af00b122a319fa3fe6c79ca4aaa90abe6bf5f12b6677dc8ef9201666d6f4b8d3235c97dbe27fec55665e86949ae779b539c2616590bf661e5855ccda28ecf5d49febb0f6ba539a7bc645b8d48b487a726d0cef816169daf28dc2953263336bbba6d9ba4e10d56dd2d70bf77efe6f8f9ebdff3b24f34d96bce5f703b6d4035d',X'789c1d8d070a00200c0353b5c3ff7fd83394842ce8e82ad44ab074e056a14a5b6397e6bf11bcadc79b835b5cb869bc4080b12ff73f1d37495afc137842aa0102',NULL);
INSERT INTO predictions VALUES('65ad66bca6896dac38b2dd292b213bf8d8de0053736b2cec5a318410604bea80',X'789c3d90010e04210803eb8a08fffff0b5955c3662e80e05041ac1b3f1a19038fcc0ac187540ed92281ec5c33ccc24ab8a558bb15d1d5483744ffec8a4daa444dee9d1d66afce4f631060931225591ee92e355667a26131956d27d5575999555d80bdee67583ef76a7341b7629ebaafea8a427d7c6f01e184a2f72fd46cb7fae89ed0de49aa6e5b5a8bea935e7f26ccfff788f32b7fe3b24f94d4ade9bf90fdd640391',X'789c2d8b010ec030080271ab55ffffe19d642110106c0d28257c74d0d2c55dbd6aa7b4ae97826ba1edcd818b705364c180edfdfd57226d93fe1bfce80349b40121',NULL);
INSERT INTO predictions VALUES('676d471b26a8e7b083ee587df8d036d89500a6cdc2d752fa7eaa650cde8eb8b5',X'789c3d90090ec0200804d70be1ff1f2e8ca41a49c1dd012b495ba1a52997e9a8d6ca6f65a596e9a6c2f3543c99efae47e6532363e0deb06e66d1b48d4e597bb4db3d0282d345f49cc4915b30238fe1b66639ca9ab49ca5dc305f97dbd37a5737a4ea75703c6f40b75f3b78d19bf7ade0fe420c380e69913fd565bfbfe4b88ddb620dba59cf3b982d98eee07674e37f83a57ec19abcfb036bf80316',X'789c3d8c0b12002108425f6565f7bff022352be30f94e4b085a9ec04a82f4d8b41feca0534b15b357d535b37f05f7d87d8909ef619cf33ad4cfb561c3e446e0103',X'789c6360a00470323091a9130002f2000c');
INSERT INTO predictions VALUES('204a2e24b64b448e0692bb5e8fc5476d45cdf1c72dc8406c33b02c2abbe1d929',X'789c3d90010ec0200803cb54d0ff7f78e56616231b7894aa244d1d0d3dda4a2d2f39db8ebde55a99d8de1d97f379ebc7f9a3703c744fb4cad9b96a134eaec995fe7e330a857d272c4e3b8697d03cde49775ead0dd94ebbb3c989e637a5f8172e1e7c047caf71a7b4af56cf9f0d6e74fe6ee13cf157d013aa5fa478a3e0a420063768d5846ead605a5ebf81b74f7f3163c3c57f87343f4cb5f670fe027660031c',X'789c2d8c011200210802b9b4b4ff7ff8364a4645505b1b94263994127dc196420dbfce85f4a116b5bd73a601c24ef93a6189dffe13ef67db99d64e6cfd45ec010c',X'789c636040002606e200239cc549b41e740000040e000f');
INSERT INTO predictions VALUES('0394179f64b4a760d9a771c033f77b9e0ef10dce3b81599cda7357b3e0a2484b',X'789c3d90090ec0200804d70be1ff1f2e8ca41a49c1dd012b495ba1a52997e9a8d6ca6f65a596e9a6c2f3543c99efae47e6532363e0deb06e66d1b48d4e597bb4db3d0282d345f49cc4915b30238fe1b66639ca9ab49ca5dc305f97dbd37a5737a4ea75703c6f40b75f3b78d19bf7ade0fe420c380e69913fd565bfbfe4b88ddb620dba59cf3b982d98eee07674e37f83a57ec19abcfb036bf80316',X'789c3d8c0b12002108425f6565f7bff022352be30f94e4b085a9ec04a82f4d8b41feca0534b15b357d535b37f05f7d87d8909ef619cf33ad4cfb561c3e446e0103',X'789c6360a00470323091a9130002f2000c');
INSERT INTO predictions VALUES('c7f4e5686f3929596e36355b48f8363931dbf4b9f10db30ad5e523bf914caf5e',X'789c2d900b1200310443d3afbaff8537de1a438b34a292b4955a9a7aba3a36397b8ee5722d8c78f68ac7f9ee7a3a9f1a8ec9eb0d5738cb662be6eb6ad827e73f2361783de1d0ad386c8233ed9729b7b91ec8525a2f0bb9e1fcf50477a162a263802f5b3d25993b6154b3bcaeff1571bbe80dd01b54fd48f047834e80586c90ec18fcc6717fb5eac73e1bce60bfc9cc6cc67f876bfc826bda873e84300325',X'789c2d8c010e002108c3a62087fffff0d5690883d0b1d6a63e2d7a2a2566b19542cd7ec92de10ce68094dd814e54fe3bdf094d783b275e669b2cdfb6737e48f6011f',X'789c636040002606069c3c4e38cdcec00897e7445305028c5874a1034e06000daa003f');
INSERT INTO predictions VALUES('49e8d12500a2225d9384730511d786d2040ca59bc02d159fd179ca7d2e387700',X'789c3d50010e002108c25ae9ff5f7c885c6b59a920041482fb60296e2ef02cc6001493abb8c3f5e4095ce68aa8107e8907ee0de5af3a273b99ae5db36f210fdf3d718937d4339c8dc7e39e695b119e9942f514e89eaaf76d26426ab77dfcd845c47a3ae361c67fa93e8c659e614abb1d8ff91c94d4a57faffc37d73a3bfe4a977acb3ff57b9ccc9182c0076f86032e',X'789c2d8d010e003108c270cb6dfcffc557713146ac102deb529b5e515742157c2edfa3cd2b5bdf361ed3537ad9761473b2272e852a3f0c33dafa0146840111',NULL);
CREATE INDEX ix_runs_suite ON runs (suite);
CREATE INDEX ix_problems_regularity ON problems (regularity);
CREATE INDEX ix_submissions_name ON submissions (name);
CREATE INDEX ix_trials_problem_key ON trials (problem_key);
CREATE INDEX ix_trials_submission_key ON trials (submission_key);
CREATE INDEX ix_planned_trials_submission_key ON planned_trials (submission_key);
CREATE INDEX ix_planned_trials_trial_key ON planned_trials (trial_key);
COMMIT;
